"""The `Broker` port inside one process, for the embedded default: there is nothing to install.

It keeps the port's promises. A publish returns only once ingest has acked the message, so the message is in the log by
then. A message that was not acked is delivered again, and a refused message becomes a dead letter. Nothing survives a
restart, and nothing has to: a message that was never acked was never confirmed to its publisher either.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from notify_sse.core.ports import Chosen, DeadLetter, Delivery, Finding, Listener, Message, Queued, Visit
from notify_sse.errors import BrokerUnavailable

MAX_WAITING: Final = 10_000
MAX_DEAD_LETTERS: Final = 10_000
PUBLISH_TIMEOUT_S: Final = 10.0


class _QueuedMessage:
    """One message in the ingest queue. `stored` is done when ingest has acked it: its publisher waits for that."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.redelivered = False


class MemoryExchange:
    """In place of a RabbitMQ server: the ingest queue, the dead letters, and the connected brokers."""

    def __init__(self) -> None:
        self.waiting: deque[_QueuedMessage] = deque()
        self.dead: deque[DeadLetter] = deque(maxlen=MAX_DEAD_LETTERS)
        self.brokers: list[MemoryBroker] = []
        self.tags = itertools.count(1)

    def put(self, message: Message) -> _QueuedMessage:
        """Queue `message`, and deliver it when a broker consumes."""
        if len(self.waiting) >= MAX_WAITING:
            raise BrokerUnavailable(f"{MAX_WAITING} messages are waiting to be stored")
        queued = _QueuedMessage(message)
        self.waiting.append(queued)
        self.deliver_waiting()
        return queued

    def put_back(self, messages: Sequence[_QueuedMessage]) -> None:
        """Put deliveries that were never acked back into their old place: before all that still wait."""
        for queued in messages:
            queued.redelivered = True
        self.waiting.extendleft(reversed(messages))

    def deliver_waiting(self) -> None:
        """Deliver to the active consumer: the first broker in line."""
        active = next((broker for broker in self.brokers if broker.in_line), None)
        while active is not None and active.has_room and self.waiting:
            active.receive_message(self.waiting.popleft())


class MemoryBroker:
    """See `ports.Broker`. Several brokers of one `MemoryExchange` behave as several processes on one RabbitMQ."""

    def __init__(
        self,
        exchange: MemoryExchange | None = None,
        *,
        prefetch: int,
        publish_timeout_s: float = PUBLISH_TIMEOUT_S,
    ) -> None:
        self._exchange = exchange or MemoryExchange()
        self._prefetch = prefetch
        self._publish_timeout_s = publish_timeout_s
        self._listener: Listener | None = None
        self._consumes = False
        """Whether it is to consume at all; `_consuming` says whether it does now."""
        self._consuming = False
        self._unacked: dict[int, _QueuedMessage] = {}
        self._published: set[_QueuedMessage] = set()

    @property
    def connected(self) -> bool:
        return self._listener is not None

    @property
    def in_line(self) -> bool:
        """Whether this broker is the active consumer or waits to become it. With unacked deliveries it stays active."""
        return self._consuming or bool(self._unacked)

    @property
    def has_room(self) -> bool:
        return self._consuming and len(self._unacked) < self._prefetch

    @property
    def held_bytes(self) -> int:
        return sum(len(queued.message.body) for queued in self._unacked.values())

    async def start(self, listener: Listener) -> None:
        self._listener = listener
        self._consuming = self._consumes = listener.on_delivery is not None
        self._exchange.brokers.append(self)
        asyncio.get_running_loop().call_soon(self._begin, listener)

    def _begin(self, listener: Listener) -> None:
        if self._listener is listener:
            self._exchange.deliver_waiting()
            listener.on_connected()

    async def stop_consuming(self) -> None:
        self._consuming = self._consumes = False
        self._exchange.deliver_waiting()

    async def pause_consuming(self) -> None:
        if self._consuming:
            self._consuming = False
            self._give_back()

    async def resume_consuming(self) -> None:
        self._consuming = self._consumes
        self._exchange.deliver_waiting()

    async def close(self) -> None:
        self._consuming = self._consumes = False
        if self in self._exchange.brokers:
            self._exchange.brokers.remove(self)
        self._give_back()
        self._listener = None
        for queued in self._published:
            if not queued.stored.done():
                queued.stored.set_exception(BrokerUnavailable("the broker was closed"))

    def _give_back(self) -> None:
        given_back = list(self._unacked.values())
        self._unacked.clear()
        # First forgotten, then put back: it may come again at once.
        if self._listener is not None and self._listener.on_returned is not None:
            self._listener.on_returned()
        self._exchange.put_back(given_back)
        self._exchange.deliver_waiting()

    async def publish(self, message: Message) -> None:
        self._check_connected()
        queued = self._exchange.put(message)
        self._published.add(queued)
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                await queued.stored
        except TimeoutError as exc:
            raise BrokerUnavailable(f"not stored within {self._publish_timeout_s:g} s") from exc
        finally:
            self._published.discard(queued)

    async def publish_many(self, messages: Sequence[Message]) -> list[BrokerUnavailable | None]:
        return await asyncio.gather(*map(self._outcome, messages))

    async def _outcome(self, message: Message) -> BrokerUnavailable | None:
        try:
            await self.publish(message)
        except BrokerUnavailable as exc:
            return exc
        return None

    async def announce(self, body: bytes) -> None:
        self._check_connected()
        for broker in self._exchange.brokers:
            asyncio.get_running_loop().call_soon(broker.receive_announcement, body)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            queued = self._unacked.pop(delivery.tag, None)
            if queued is not None and not queued.stored.done():
                queued.stored.set_result(None)
        self._exchange.deliver_waiting()

    async def dead_letter(self, delivery: Delivery, *, reason: str, detail: str) -> None:
        self._check_connected()
        self._exchange.dead.append(
            DeadLetter(
                body=delivery.body,
                routing_key=delivery.routing_key,
                content_type=delivery.content_type,
                message_id=delivery.message_id,
                reason=reason,
                detail=detail,
                died_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                content_encoding=delivery.content_encoding,
                timestamp=delivery.timestamp,
                trace=delivery.trace,
            )
        )

    async def queued(self) -> Queued:
        return Queued(len(self._exchange.waiting), len(self._exchange.dead))

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        self._check_connected()
        return list(self._exchange.dead)[:limit]

    async def visit_dead_letters(self, visit: Visit) -> None:
        self._check_connected()
        for letter in tuple(self._exchange.dead):
            if visit(letter):
                return

    async def replay_dead_letters(self, *, limit: int, chosen: Chosen | None = None) -> int:
        self._check_connected()
        letters = [one for one in self._exchange.dead if chosen is None or chosen(one)][:limit]
        for letter in letters:
            await self.publish(
                Message(
                    body=letter.body,
                    routing_key=letter.routing_key,
                    message_id=letter.message_id or "",
                    content_type=letter.content_type,
                    content_encoding=letter.content_encoding,
                    timestamp=letter.timestamp,
                    trace=letter.trace,
                )
            )
            self._remove(letter)
        return len(letters)

    async def purge_dead_letters(self, *, chosen: Chosen | None = None) -> int:
        self._check_connected()
        letters = [one for one in self._exchange.dead if chosen is None or chosen(one)]
        for letter in letters:
            self._remove(letter)
        return len(letters)

    def _remove(self, letter: DeadLetter) -> None:
        """That very one: equal ones are messages of their own."""
        dead = self._exchange.dead
        for place, one in enumerate(dead):
            if one is letter:
                del dead[place]
                return

    def receive_message(self, queued: _QueuedMessage) -> None:
        """Take one message from the queue. The exchange calls it."""
        assert self._listener is not None
        assert self._listener.on_delivery is not None
        tag = next(self._exchange.tags)
        self._unacked[tag] = queued
        self._listener.on_delivery(
            Delivery(
                body=queued.message.body,
                routing_key=queued.message.routing_key,
                content_type=queued.message.content_type,
                message_id=queued.message.message_id or None,
                redelivered=queued.redelivered,
                tag=tag,
                content_encoding=queued.message.content_encoding,
                timestamp=queued.message.timestamp,
                trace=queued.message.trace,
            )
        )

    def receive_announcement(self, body: bytes) -> None:
        """Take one announcement. The announcing broker calls it for every broker of the exchange."""
        if self._listener is not None and self._listener.on_announcement is not None:
            self._listener.on_announcement(body)

    def _check_connected(self) -> None:
        if self._listener is None:
            raise BrokerUnavailable("the broker is closed")


async def diagnose() -> AsyncIterator[Finding]:
    """See `core.ports.Finding`. Each process has its own: there is nothing to ask."""
    yield Finding("broker", "ok", "inside the service's process (memory://)")
