"""`GET` and `DELETE /admin/recipients/{recipient_id}`: what is stored of a recipient, and its erasure."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from notify_sse.core.cursor import Cursor
from notify_sse.core.parse import channel_of
from notify_sse.log.export import export
from notify_sse.web.admin.answers import Erased
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import answer

PATH: Final = "/admin/recipients/{recipient_id:path}"
JSON_LINES: Final = "application/x-ndjson"


async def stored_or_erased(request: Request) -> Response:
    """GET exports, DELETE erases. One route, so that `Allow` names both."""
    return await (erase if request.method == "DELETE" else stored)(request)


async def stored(request: Request) -> Response:
    """Everything that is stored of the recipient, as JSON lines."""
    asking, recipient_id = await administrator(request), _recipient_id(request)
    await asking.note("recipient.export", recipient_id)
    service = asking.service
    lines = export(service.erasure, service.reads, recipient_id)
    return StreamingResponse(lines, media_type=JSON_LINES, headers={"Cache-Control": "no-store"})


async def erase(request: Request) -> Response:
    """Erases the content of everything that is stored of the recipient; their open streams end as `revoked`."""
    asking, recipient_id = await administrator(request), _recipient_id(request)
    await asking.note("recipient.erase", recipient_id)
    erased = await asking.service.recalls.erase(recipient_id)
    return answer(Erased(recipient_id, erased.count, str(Cursor(erased.epoch, erased.event.id))))


def _recipient_id(request: Request) -> str:
    """Raises `BadNotification` for what is no recipient."""
    recipient_id: str = request.path_params["recipient_id"]
    channel_of({"recipient_id": recipient_id})
    return recipient_id
