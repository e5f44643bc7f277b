"""`GET /admin/audit`: who changed what, when, from which address. It cannot be changed through the service."""

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.web.admin.answers import AuditItem, AuditPage
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import answer
from notify_sse.web.http.query import newest_first


async def audit(request: Request) -> Response:
    """The newest changes first, page by page."""
    asking = await administrator(request)
    before, limit = newest_first(request.query_params)
    found = await asking.service.records.audit(before=before, limit=limit + 1)
    return answer(AuditPage(tuple(AuditItem.of(one) for one in found[:limit]), len(found) > limit))
