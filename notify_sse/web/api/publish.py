"""`POST /notifications`: one notification or an array, straight to the log. Needs no broker."""

import asyncio
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import PUBLISH, PUBLISHING
from notify_sse.core.media import JSON, Kind, kind_of, unpacked
from notify_sse.core.model import Notification
from notify_sse.core.parse import is_batch, parse, split_batch
from notify_sse.errors import BadNotification, Conflict, Forbidden, StoreRefused, StoreUnavailable
from notify_sse.log.append import Outcome, Refused
from notify_sse.web.http.answers import PublishOutcome, answer
from notify_sse.web.http.body import read_body
from notify_sse.web.service import Service

MAX_BATCH: Final = 500


async def publish(request: Request) -> Response:
    """201 when something was stored, 200 when all of it was known, 409 when a notification_id came with other content,
    422 when the database refuses one.

    An array is checked whole before any of it is stored. A 409 or 422 lists what became of each item: the others are
    stored.
    """
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=PUBLISHING)
    if PUBLISH not in grant.scopes:
        raise Forbidden(f"the token lacks the scope {PUBLISH}")
    service.limits.rates.publish(grant.subject)
    limit = service.settings.max_notification_bytes
    most = MAX_BATCH * (limit + 2) + 2
    raw = await read_body(request, max_bytes=most)
    try:
        kind = kind_of(request.headers.get("content-type", JSON))
        raw = unpacked(raw, ", ".join(request.headers.getlist("content-encoding")), max_bytes=most)
        batch, notifications = _parsed(raw, kind, max_bytes=limit)
    except BadNotification as exc:
        service.metrics.refused.labels("http", exc.reason).inc()
        raise
    try:
        async with asyncio.timeout(service.settings.publish_timeout_s):
            outcomes = await service.appender.append(notifications)
    except TimeoutError:
        raise StoreUnavailable(
            "the outcome is unknown: publish again with the same notification_id",
            notification_ids=[one.notification_id for one in notifications],
        ) from None
    return _answer(notifications, outcomes, batch=batch)


def _parsed(raw: bytes, kind: Kind, *, max_bytes: int) -> tuple[bool, list[Notification]]:
    now = datetime.now(UTC)

    def one(item: bytes | memoryview) -> Notification:
        return parse(item, max_bytes=max_bytes, now=now, new_id=lambda: str(uuid4()), content_type=kind)

    if not is_batch(raw, kind):
        return False, [one(raw)]
    items = split_batch(raw, kind)
    if not 1 <= len(items) <= MAX_BATCH:
        reason = "too_large" if items else "invalid_field"
        raise BadNotification(field="body", reason=reason, detail=f"must hold 1 to {MAX_BATCH} notifications")
    notifications = []
    for place, item in enumerate(items):
        try:
            notifications.append(one(memoryview(item)))
        except BadNotification as exc:
            raise exc.within(f"[{place}]") from None
    return True, notifications


def _answer(notifications: list[Notification], outcomes: list[Outcome], *, batch: bool) -> Response:
    results = [_result(one, outcome) for one, outcome in zip(notifications, outcomes, strict=True)]
    if refused := [outcome for outcome in outcomes if isinstance(outcome, Refused)]:
        raise StoreRefused(refused[0].detail, items=results)
    seen = {outcome.outcome for outcome in outcomes}
    if "conflict" in seen:
        raise Conflict("the log keeps the first; `items` says what became of each", items=results)
    return answer(results if batch else results[0], status=201 if "new" in seen else 200)


def _result(notification: Notification, outcome: Outcome) -> PublishOutcome:
    """What became of one notification; one that was refused has no cursor."""
    cursor = UNSET if isinstance(outcome, Refused) else str(outcome.cursor)
    return PublishOutcome(notification.notification_id, outcome.outcome, cursor)
