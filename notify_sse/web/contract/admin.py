"""The admin routes in the OpenAPI document. Each module of `web/admin` that has routes has its paths here."""

from typing import Final

from notify_sse.auth import ADMIN
from notify_sse.web.admin import answers
from notify_sse.web.contract.schemas import Document, json_answer, problems, query, ref
from notify_sse.web.http.query import DEFAULT_LIMIT, MAX_LIMIT

ANSWERS: Final = (answers.AuditPage,)
"""The structs that admin routes answer with; those in them come along."""
_SECURITY: Final[list[Document]] = [{"bearer": [ADMIN]}]


def paths() -> Document:
    """Every admin path with its operations. The scope is the same for all."""
    found: Document = {"/admin/audit": {"get": _audit()}}
    for operations in found.values():
        for operation in operations.values():
            operation["security"] = _SECURITY
            operation["responses"] |= problems(401, 403, 503)
    return found


def newest_first() -> list[Document]:
    """The parameters of a list that is read from its newest end."""
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return [
        query("before", {"type": "integer", "minimum": 1}, "Only items with a lower id: the next page."),
        query("limit", limit, "Items at most."),
    ]


def _audit() -> Document:
    return {
        "summary": "The audit log, the newest change first",
        "parameters": newest_first(),
        "responses": {"200": json_answer(ref("AuditPage"), "A page"), **problems(400)},
    }
