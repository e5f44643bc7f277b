"""`POST /notifications`: one notification or an array, straight to the log. Needs no broker."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import PUBLISH, PUBLISHING, Grant
from notify_sse.core.batch import faults_of_batch, is_batch, split_batch
from notify_sse.core.faults import NOT_JSON
from notify_sse.core.media import JSON, Kind, kind_of, unpacked
from notify_sse.core.model import Notification
from notify_sse.core.parse import parse
from notify_sse.errors import BadNotification, Conflict, Forbidden, NotifyError, StoreRefused, StoreUnavailable
from notify_sse.log.append import Outcome, Refused
from notify_sse.log.new_id import new_id
from notify_sse.log.pace import Pace
from notify_sse.web.http.answers import PublishOutcome, answer
from notify_sse.web.http.body import read_body
from notify_sse.web.http.problems import refusal
from notify_sse.web.limits.budget import Share
from notify_sse.web.service import Service

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.requests import RequestSpan

MAX_BATCH: Final = 500
MAX_BATCH_BYTES: Final = 8_388_608
"""Of an array, whatever MAX_NOTIFICATION_BYTES is; a single notification may be as large as that."""
EXPLAINING_RESTS: Final = 9.0
"""What is wrong with an array is for its sender to wait for, not for others: it has a tenth of the process."""
IN_THREAD_BYTES: Final = 4096
"""Of a compressed body: less than that inflates to at most a few megabytes, in a few milliseconds."""


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
    # To the end of the request: what was read is held until it is committed.
    with service.limits.bodies.share(grant.subject) as share:
        if service.spans is None:
            return await _publish(request, service, share, grant)
        with service.spans.publishing(request.headers) as span:
            try:
                response = await _publish(request, service, share, grant, span)
            except NotifyError as exc:
                span.answered(refusal(exc).status_code, code=exc.code)
                raise
            span.answered(response.status_code)
            return response


async def _publish(
    request: Request, service: Service, share: Share, grant: Grant, span: "RequestSpan | None" = None
) -> Response:
    limit = service.settings.max_notification_bytes
    most = max(limit, min(MAX_BATCH * (limit + 2) + 2, MAX_BATCH_BYTES))
    raw = await read_body(request, max_bytes=most, share=share)
    try:
        kind = kind_of(request.headers.get("content-type", JSON))
        raw = await _unpacked(raw, ", ".join(request.headers.getlist("content-encoding")), max_bytes=most, share=share)
        strict = service.settings.strict_numbers
        async with service.limits.large_bodies.checking(grant.subject, len(raw)):
            batch, notifications = await _parsed(raw, kind, max_bytes=limit, strict_numbers=strict)
    except BadNotification as exc:
        service.metrics.refused.labels("http", exc.reason).inc()
        raise
    if span:
        notifications = span.carried(notifications)
    service.metrics.unsafe_numbers.labels("http").inc(sum(one.has_unsafe_number for one in notifications))
    try:
        async with asyncio.timeout(service.settings.publish_timeout_s):
            await service.revocations.when_known()  # at the start they may not be
            service.verifier.confirm(grant)
            outcomes = await service.appender.append(notifications)
    except TimeoutError:
        raise StoreUnavailable(
            "the outcome is unknown: publish again with the same notification_id",
            notification_ids=[one.notification_id for one in notifications],
        ) from None
    return _answer(notifications, outcomes, batch=batch)


async def _unpacked(raw: bytes, content_encoding: str, *, max_bytes: int, share: Share) -> bytes:
    if not content_encoding or len(raw) < IN_THREAD_BYTES:
        return unpacked(raw, content_encoding, max_bytes=max_bytes)
    # What it becomes is known afterwards. zlib lets the others run meanwhile, in a thread.
    share.take(max_bytes)
    return await asyncio.to_thread(unpacked, raw, content_encoding, max_bytes=max_bytes)


async def _parsed(raw: bytes, kind: Kind, *, max_bytes: int, strict_numbers: bool) -> tuple[bool, list[Notification]]:
    """Item by item, and others have their turn in between: the work goes with what is in an item, not with its size."""
    now = datetime.now(UTC)

    def one(item: bytes | memoryview) -> Notification:
        return parse(
            item,
            max_bytes=max_bytes,
            now=now,
            new_id=new_id,
            content_type=kind,
            strict_numbers=strict_numbers,
        )

    if not is_batch(raw, kind):
        return False, [one(raw)]
    notifications: list[Notification] = []
    pace = Pace()
    for items in split_batch(raw, kind, max_items=MAX_BATCH, max_bytes=max_bytes):
        if items is None:
            raise await _explained(raw, kind)
        for item in items:
            await pace.rest()
            try:
                notifications.append(one(memoryview(item)))
            except BadNotification as exc:
                raise exc.within(f"[{len(notifications)}]") from None
    return True, notifications


async def _explained(raw: bytes, kind: Kind) -> BadNotification:
    """What is wrong with what is no array."""
    pace = Pace(EXPLAINING_RESTS)
    for fault in faults_of_batch(raw, kind, max_items=MAX_BATCH):
        await pace.rest()
        if fault:
            break
    field, reason, detail = fault or NOT_JSON
    return BadNotification(field=field, reason=reason, detail=detail)


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
