"""From the ingest queue to the log: check, append, ack.

Deliveries gather while the last batch commits. What breaks the contract goes to the dead letters with its reason, and
only then is acked; nothing behind it waits, not even while the broker takes no publishes. An ack comes only after the
commit and the announcement: a crash before it means a redelivery, which the log knows by its notification_id.

What the queue has back is forgotten at once: it comes again, and a message without an id would be stored twice.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, assert_never

from notify_sse import eager
from notify_sse.core.channels import routing_key
from notify_sse.core.media import kind_of, unpacked
from notify_sse.core.model import Notification, Recall
from notify_sse.core.parse import TYPE, parse_message
from notify_sse.core.ports import Broker, Delivery
from notify_sse.errors import BadNotification, BrokerUnavailable, Overloaded
from notify_sse.log.append import Appender, Logged, Outcome, Refused
from notify_sse.log.new_id import new_id
from notify_sse.log.pace import Pace
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.bounded import BoundedLogger
from notify_sse.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.ingesting import IngestSpans, TakenSpans

logger = logging.getLogger(__name__)

DEAD_LETTER_RETRY_S: Final = 1.0
MILLISECONDS_FROM: Final = 10**11
"""As seconds it is the year 5138, as milliseconds 1973."""
GATHER_FROM: Final = 16
GATHER_S: Final = 0.005
"""Where many come, a batch begins so long after the one before at the earliest. Every batch has its price at the broker
and at the database: on a full machine, many small ones leave it less for notifications.
"""

NOT_FOUND: Final = BadNotification(
    field="notification_id", reason="not_found", detail="is not in the log: there is nothing to recall"
)


class Ingest:
    """Takes deliveries, up to `batch` at a time. One runs per process; the broker makes one process active."""

    def __init__(
        self,
        broker: Broker,
        appender: Appender,
        recalls: Recalls,
        metrics: Metrics,
        *,
        batch: int,
        max_bytes: int,
        strict_numbers: bool = False,
        spans: "IngestSpans | None" = None,
    ) -> None:
        self._spans = spans
        self._recalls = recalls
        self._broker = broker
        self._appender = appender
        self._metrics = metrics
        self._batch = batch
        self._max_bytes = max_bytes
        self._strict_numbers = strict_numbers
        self._queue: deque[Delivery] = deque()
        self._received_at: deque[float] = deque()
        """When each delivery in the queue came, in monotonic seconds."""
        self._oldest_at: float | None = None
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusals = BoundedLogger(logger, "messages refused: they are dead letters", action="dead_letter")
        self._taking: asyncio.Task[None] | None = None
        self._dead_lettering: set[asyncio.Task[None]] = set()

    def deliver(self, delivery: Delivery) -> None:
        """One message, in queue order. Synchronous, so that order is kept."""
        self._queue.append(delivery)
        self._received_at.append(time.monotonic())
        if self._oldest_at is None:
            self._oldest_at = self._received_at[-1]
        self._arrived.set()
        self._idle.clear()

    def returned(self) -> None:
        """The queue has every delivery back that is not acked. Synchronous: before the first of them can come again.

        Only a commit that is under way goes on to its end.
        """
        self._queue.clear()
        self._received_at.clear()  # the oldest waits on, in the queue
        for task in self._dead_lettering:
            task.cancel()
        if self._taking is not None:
            self._taking.cancel()
        else:
            self._idle.set()

    def oversized(self, body_bytes: int) -> None:
        """A message went to the dead letters unread: there was no room for it."""
        self._metrics.refused.labels("amqp", "too_large").inc()
        self._metrics.dead_letters.labels("too_large").inc()
        logger.warning("a message is too large to be read", extra={"action": "oversized", "body_bytes": body_bytes})

    @property
    def oldest_waiting_s(self) -> float:
        """How long the oldest delivery has waited that is not acked; also when it went back to the queue since."""
        return 0.0 if self._oldest_at is None else time.monotonic() - self._oldest_at

    async def finish(self) -> None:
        """Return once everything delivered so far is acked (after `Broker.stop_consuming`)."""
        await self._idle.wait()
        if self._dead_lettering:
            await asyncio.wait(self._dead_lettering)

    async def run(self) -> None:
        """Take batch after batch, until cancelled. What is under way then stays unacked and is redelivered."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._queue:
                    began, count = time.monotonic(), min(self._batch, len(self._queue))
                    batch = [self._queue.popleft() for _ in range(count)]
                    received_at = [self._received_at.popleft() for _ in batch]
                    if await self._take_unless_returned(batch, received_at):
                        self._oldest_at = self._received_at[0] if self._received_at else None
                    if count >= GATHER_FROM and len(self._queue) < self._batch:
                        await asyncio.sleep(max(0.0, began + GATHER_S - time.monotonic()))
                self._idle.set()
        finally:
            for task in self._dead_lettering:
                task.cancel()

    async def _take_unless_returned(self, deliveries: Sequence[Delivery], received_at: Sequence[float]) -> bool:
        """`_take`, once it waits in a task of its own, which `returned` can cancel. Returns whether it was done."""
        if self._spans:  # whose context is that of one task
            taking = self._take_with_spans(self._spans, deliveries, received_at)
            self._taking = asyncio.get_running_loop().create_task(taking)
        else:
            self._taking = eager.start(self._take(deliveries))
        if self._taking is None:
            return True
        try:
            await asyncio.wait((self._taking,))
            if self._taking.cancelled():
                return False
            self._taking.result()
            return True
        finally:
            self._taking.cancel()
            self._taking = None

    async def _take_with_spans(
        self, spans: "IngestSpans", deliveries: Sequence[Delivery], received_at: Sequence[float]
    ) -> None:
        with spans.taken(deliveries, received_at) as taken:
            await self._take(deliveries, taken)

    async def _take(self, deliveries: Sequence[Delivery], spans: "TakenSpans | None" = None) -> None:
        """Check, append, then ack: each delivery once it is in the log, or safe in the dead letters."""
        self._metrics.ingested.inc(len(deliveries))
        good: list[tuple[Delivery, Notification | Recall]] = []
        bad: list[tuple[Delivery, BadNotification]] = []
        pace, now = Pace(), datetime.now(UTC)
        for delivery in deliveries:
            await pace.rest()
            try:
                good.append((delivery, self._checked(delivery, now)))
            except BadNotification as exc:
                # Without its traceback, whose frames hold the message: such a cycle is freed only by the collector.
                bad.append((delivery, BadNotification(field=exc.field, reason=exc.reason, detail=exc.detail)))
        bad += await self._append(spans.carried(good) if spans else good)
        # From here on all that is not bad is committed and announced. The bad are acked by the task that dead-letters
        # them, so that nothing here waits for the broker to take a publish.
        if bad:
            if spans:
                spans.refused(bad)
            self._dead_letter_in_background(bad)
            refused = {id(delivery) for delivery, _ in bad}
            deliveries = [delivery for delivery in deliveries if id(delivery) not in refused]
        await self._ack(deliveries)

    async def _ack(self, deliveries: Sequence[Delivery]) -> None:
        """Ack `deliveries`. An ack that is lost costs a redelivery, which the log knows: no reason to stop."""
        try:
            await self._broker.ack(deliveries)
        except BrokerUnavailable as exc:
            logger.warning("acks lost; the broker redelivers", extra={"action": "ack", "error": str(exc)})

    def _checked(self, delivery: Delivery, now: datetime) -> Notification | Recall:
        message = parse_message(
            unpacked(delivery.body, delivery.content_encoding, max_bytes=self._max_bytes),
            max_bytes=self._max_bytes,
            now=_sent_at(delivery.timestamp) or now,
            new_id=new_id,
            content_type=kind_of(delivery.content_type),
            message_id=delivery.message_id,
            strict_numbers=self._strict_numbers,
        )
        if isinstance(message, Notification) and message.has_unsafe_number:
            self._metrics.unsafe_numbers.labels("amqp").inc()
        expected = routing_key(message.channel, message.notification_type)
        if delivery.routing_key != expected and not _is_key_of(message, delivery.routing_key):
            raise BadNotification(
                field="routing_key", reason="key_mismatch", detail=f"must be {expected} for this body"
            )
        return message

    async def _append(
        self, good: Sequence[tuple[Delivery, Notification | Recall]]
    ) -> list[tuple[Delivery, BadNotification]]:
        """Append, and recall, in the queue's order; returns those for which it did not succeed, each with why."""
        bad: list[tuple[Delivery, BadNotification]] = []
        appending: list[tuple[Delivery, Notification]] = []
        for delivery, message in good:
            if isinstance(message, Notification):
                appending.append((delivery, message))
                continue
            # Whatever came before it is in the log first: it may be what is recalled.
            bad += await self._append_all(appending)
            appending = []
            if await self._recalls.recall_when_possible(message) is None:
                bad.append((delivery, NOT_FOUND))
        return bad + await self._append_all(appending)

    async def _append_all(
        self, appending: Sequence[tuple[Delivery, Notification]]
    ) -> list[tuple[Delivery, BadNotification]]:
        if not appending:
            return []
        outcomes = await self._append_when_possible([notification for _, notification in appending])
        return [
            (delivery, refusal)
            for (delivery, _), outcome in zip(appending, outcomes, strict=True)
            if (refusal := _refusal(outcome))
        ]

    async def _append_when_possible(self, notifications: Sequence[Notification]) -> list[Outcome]:
        while True:
            try:
                return await self._appender.append(notifications, way="amqp")
            except Overloaded as exc:
                await asyncio.sleep(exc.retry_after_s)

    def _dead_letter_in_background(self, bad: Sequence[tuple[Delivery, BadNotification]]) -> None:
        """Dead-letter them in a task of their own: an alarm at the broker can keep a publish waiting for minutes."""
        task = asyncio.get_running_loop().create_task(self._dead_letter_and_ack(bad))
        self._dead_lettering.add(task)
        task.add_done_callback(self._dead_lettering.discard)

    async def _dead_letter_and_ack(self, bad: Sequence[tuple[Delivery, BadNotification]]) -> None:
        for delivery, exc in bad:
            self._metrics.refused.labels("amqp", exc.reason).inc()
            try:
                await self._dead_letter_until_safe(delivery, exc)
            except Exception:
                # One message that cannot be dead-lettered must not keep the others from it. Unacked, it comes again.
                logger.exception("a message cannot be dead-lettered; it stays unacked", extra={"action": "dead_letter"})
                self._metrics.dead_letters_failed.inc()
            else:
                self._metrics.dead_letters.labels(exc.reason).inc()
                self._refusals.note(exc.reason, reason=exc.reason, field=_outer(exc.field))
                await self._ack([delivery])

    async def _dead_letter_until_safe(self, delivery: Delivery, exc: BadNotification) -> None:
        """Return once it is safe there. Tries again for as long as it is not: left unacked, it would take a place of
        the prefetch until the connection is lost.
        """
        while True:
            try:
                return await self._broker.dead_letter(delivery, reason=exc.reason, detail=str(exc))
            except BrokerUnavailable:
                self._metrics.dead_letters_failed.inc()
                await asyncio.sleep(DEAD_LETTER_RETRY_S)


def _outer(field: str) -> str:
    """The field of a notification that `field` lies in. What is further inside is the publisher's own."""
    return field.partition(".")[0].partition("[")[0]


def _sent_at(timestamp: int) -> datetime | None:
    """When a message was sent, by its AMQP property: seconds, which some libraries take for milliseconds. None for what
    is not set, and for what is no time.
    """
    seconds = timestamp / 1000 if timestamp >= MILLISECONDS_FROM else timestamp
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < MILLISECONDS_FROM else None


def _is_key_of(message: Notification | Recall, key: str) -> bool:
    """Whether `key` is that of a recall which leaves the type out: the key has one all the same, any."""
    if not isinstance(message, Recall) or message.notification_type:
        return False
    start = routing_key(message.channel, "")
    return key.startswith(start) and TYPE.fullmatch(key.removeprefix(start)) is not None


def _refusal(outcome: Outcome) -> BadNotification | None:
    """Why a message with this outcome is a dead letter, or None when it is none."""
    match outcome:
        case Logged(outcome="conflict", cursor=cursor):
            detail = f"is in the log already, at {cursor.position}, with other content"
            return BadNotification(field="notification_id", reason="conflict", detail=detail)
        case Logged():
            return None
        case Refused(detail=detail):
            return BadNotification(field="body", reason="store_refused", detail=detail)
        case other:
            assert_never(other)
