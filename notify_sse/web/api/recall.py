"""`DELETE /notifications/{notification_id}`: recalls a notification. Goes straight to the log: it needs no broker."""

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import PUBLISH, PUBLISHING
from notify_sse.core.cursor import Cursor
from notify_sse.core.parse import channel_of
from notify_sse.errors import BadRequest, Forbidden, StoreUnavailable
from notify_sse.web.http.answers import Recalled, answer
from notify_sse.web.http.problems import problem
from notify_sse.web.service import Service

PATH: Final = "/notifications/{notification_id:path}"
ADDRESS: Final = ("recipient_id", "topic")


def is_recall(request: Request) -> bool:
    """Whether a DELETE names whose notification it means."""
    return any(name in request.query_params for name in ADDRESS)


async def recall(request: Request) -> Response:
    """200, also when it was recalled before; 404 when the log does not have it."""
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=PUBLISHING)
    if PUBLISH not in grant.scopes:
        raise Forbidden(f"the token lacks the scope {PUBLISH}")
    service.limits.rates.publish(grant.subject)
    notification_id = request.path_params.get("notification_id", "session")
    channel = _channel(request)
    try:
        async with asyncio.timeout(service.settings.publish_timeout_s):
            recalled = await service.recalls.recall(channel, notification_id)
    except TimeoutError:
        raise StoreUnavailable("the outcome is unknown: recall it again") from None
    if recalled is None:
        detail = "the log has no such notification of this recipient or topic"
        return problem(404, code="not_found", title="Not Found", detail=detail)
    cursor = str(Cursor(recalled.epoch, recalled.event.id)) if recalled.event else None
    return answer(Recalled(notification_id, cursor))


def _channel(request: Request) -> str:
    """Raises `BadNotification` or `BadRequest`, which name the parameter."""
    given = {name: value for name, value in request.query_params.multi_items() if name in ADDRESS}
    if len(given) < sum(name in ADDRESS for name, _ in request.query_params.multi_items()):
        raise BadRequest("recipient_id" if "recipient_id" in given else "topic", "is given more than once")
    return channel_of(given)
