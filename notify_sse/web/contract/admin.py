"""The admin routes in the OpenAPI document. Each module of `web/admin` that has routes has its paths here."""

from typing import Final

from notify_sse.auth import ADMIN
from notify_sse.web.admin import answers, revocations, trace
from notify_sse.web.admin.recipients import JSON_LINES
from notify_sse.web.contract.schemas import TEXT, Document, json_answer, problems, query, ref
from notify_sse.web.http.query import DEFAULT_LIMIT, MAX_LIMIT

ANSWERS: Final = (
    answers.AuditPage,
    answers.RevocationPage,
    trace.TraceAnswer,
    trace.ConnectionsAnswer,
    answers.Erased,
)
"""The structs that admin routes answer with; those in them come along."""
_RECIPIENT: Final[Document] = {"name": "recipient_id", "in": "path", "required": True, "schema": {"type": "string"}}
_SECURITY: Final[list[Document]] = [{"bearer": [ADMIN]}]


def paths() -> Document:
    """Every admin path with its operations. The scope is the same for all."""
    found: Document = {
        "/admin/audit": {"get": _audit()},
        "/admin/notifications/{notification_id}": {"get": _trace()},
        "/admin/recipients/{recipient_id}/connections": {"get": _connections()},
        "/admin/recipients/{recipient_id}": {"get": _export(), "delete": _erase()},
        "/admin/revocations": {"get": _revocations(), "post": _revoke()},
        "/admin/revocations/{revocation_id}": {"delete": _undo()},
    }
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


def _trace() -> Document:
    return {
        "summary": "What became of a notification",
        "parameters": [_path("notification_id"), query("recipient_id", TEXT, "Of it for this recipient only.")],
        "responses": {
            "200": json_answer(ref("TraceAnswer"), "It is in the log, or among the dead letters"),
            "404": json_answer(ref("TraceAnswer"), "It is in neither, as far as is known"),
            **problems(401, 403, 503),
        },
    }


def _connections() -> Document:
    return {
        "summary": "When a recipient was connected",
        "parameters": [_path("recipient_id")],
        "responses": {"200": json_answer(ref("ConnectionsAnswer"), "The newest first"), **problems(401, 403, 503)},
    }


def _path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _export() -> Document:
    lines = {"description": "JSON lines", "content": {JSON_LINES: {"schema": {"type": "string"}}}}
    return {
        "summary": "Everything that is stored of a recipient",
        "parameters": [_RECIPIENT],
        "responses": {"200": lines, **problems(400)},
    }


def _erase() -> Document:
    return {
        "summary": "Erase the content of everything that is stored of a recipient",
        "parameters": [_RECIPIENT],
        "responses": {"200": json_answer(ref("Erased"), "Erased"), **problems(400)},
    }


def _audit() -> Document:
    return {
        "summary": "The audit log, the newest change first",
        "parameters": newest_first(),
        "responses": {"200": json_answer(ref("AuditPage"), "A page"), **problems(400)},
    }


def _revocations() -> Document:
    return {
        "summary": "The revocations in force, the newest first",
        "parameters": newest_first(),
        "responses": {"200": json_answer(ref("RevocationPage"), "A page"), **problems(400)},
    }


def _revoke() -> Document:
    reason = {"type": ["string", "null"], "maxLength": revocations.MAX_REASON_CHARS}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"sub": TEXT, "jti": TEXT, "reason": reason},
        "oneOf": [{"required": ["sub"]}, {"required": ["jti"]}],
    }
    return {
        "summary": "Revoke every token of a subject that was issued until now, or one token",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"201": json_answer(ref("RevocationItem"), "In force"), **problems(400, 413)},
    }


def _undo() -> Document:
    identifier = {"name": "revocation_id", "in": "path", "required": True, "schema": {"type": "integer"}}
    return {
        "summary": "Take a revocation back",
        "parameters": [identifier],
        "responses": {"204": {"description": "Done"}, **problems(400, 404)},
    }
