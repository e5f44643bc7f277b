"""The `Broker` port inside one process, for the embedded default: nothing to install, nothing between processes.

It keeps the port's promises. A publish returns only once ingest acked the message, so it is in the log by then; what
was not acked is delivered again; a refused message becomes a dead letter. Nothing survives a restart, and nothing
needs to: what was never acked was never confirmed to its publisher either.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

from notify_sse.core.ports import DeadLetter, Delivery, Finding, Listener, Message
from notify_sse.errors import BrokerUnavailable

MAX_WAITING: Final = 10_000
MAX_DEAD_LETTERS: Final = 10_000
PUBLISH_TIMEOUT_S: Final = 10.0


class _Entry:
    """One message in the ingest queue, and the promise to its publisher."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.redelivered = False


class MemoryExchange:
    """What a RabbitMQ would hold: the ingest queue, the dead letters, and who is connected."""

    def __init__(self) -> None:
        self.waiting: deque[_Entry] = deque()
        self.dead: deque[DeadLetter] = deque(maxlen=MAX_DEAD_LETTERS)
        self.members: list[MemoryBroker] = []
        self.tags = itertools.count(1)

    def put(self, message: Message) -> _Entry:
        """Queue `message`, and deliver it if someone consumes."""
        if len(self.waiting) >= MAX_WAITING:
            raise BrokerUnavailable(f"{MAX_WAITING} messages are waiting to be stored")
        entry = _Entry(message)
        self.waiting.append(entry)
        self.flow()
        return entry

    def put_back(self, entries: Sequence[_Entry]) -> None:
        """Deliveries that were never acked, back in their old place: before all that still waits."""
        for entry in entries:
            entry.redelivered = True
        self.waiting.extendleft(reversed(entries))

    def flow(self) -> None:
        """Deliver to the active consumer, which is the first that came and is not done."""
        active = next((member for member in self.members if member.wants_or_holds), None)
        while active is not None and active.has_room and self.waiting:
            active.receive(self.waiting.popleft())


class MemoryBroker:
    """See `ports.Broker`. Brokers of one `MemoryExchange` are to each other as processes on one RabbitMQ."""

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
        self._consuming = False
        self._in_hand: dict[int, _Entry] = {}
        self._published: set[_Entry] = set()

    @property
    def connected(self) -> bool:
        return self._listener is not None

    @property
    def wants_or_holds(self) -> bool:
        """Whether this one is, or is in line to be, the active consumer."""
        return self._consuming or bool(self._in_hand)

    @property
    def has_room(self) -> bool:
        return self._consuming and len(self._in_hand) < self._prefetch

    async def start(self, listener: Listener) -> None:
        self._listener = listener
        self._consuming = listener.on_delivery is not None
        self._exchange.members.append(self)
        asyncio.get_running_loop().call_soon(self._begin, listener)

    def _begin(self, listener: Listener) -> None:
        if self._listener is listener:
            self._exchange.flow()
            listener.on_connected()

    async def stop_consuming(self) -> None:
        self._consuming = False
        self._exchange.flow()

    async def close(self) -> None:
        self._listener = None
        self._consuming = False
        if self in self._exchange.members:
            self._exchange.members.remove(self)
        self._exchange.put_back(list(self._in_hand.values()))
        self._in_hand.clear()
        for entry in self._published:
            if not entry.stored.done():
                entry.stored.set_exception(BrokerUnavailable("the broker was closed"))
        self._exchange.flow()

    async def publish(self, message: Message) -> None:
        self._check_connected()
        entry = self._exchange.put(message)
        self._published.add(entry)
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                await entry.stored
        except TimeoutError as exc:
            raise BrokerUnavailable(f"not stored within {self._publish_timeout_s:g} s") from exc
        finally:
            self._published.discard(entry)

    async def announce(self, body: bytes) -> None:
        self._check_connected()
        for member in self._exchange.members:
            asyncio.get_running_loop().call_soon(member.hear, body)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            entry = self._in_hand.pop(delivery.tag, None)
            if entry is not None and not entry.stored.done():
                entry.stored.set_result(None)
        self._exchange.flow()

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
            )
        )

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        self._check_connected()
        return list(self._exchange.dead)[:limit]

    async def replay_dead_letters(self, *, limit: int) -> int:
        self._check_connected()
        letters = list(self._exchange.dead)[:limit]
        for letter in letters:
            await self.publish(
                Message(
                    body=letter.body,
                    routing_key=letter.routing_key,
                    message_id=letter.message_id or "",
                    content_type=letter.content_type,
                )
            )
            if self._exchange.dead and self._exchange.dead[0] is letter:
                self._exchange.dead.popleft()
        return len(letters)

    async def purge_dead_letters(self) -> int:
        self._check_connected()
        purged = len(self._exchange.dead)
        self._exchange.dead.clear()
        return purged

    def receive(self, entry: _Entry) -> None:
        """Take one message from the queue; called by the exchange."""
        assert self._listener is not None
        assert self._listener.on_delivery is not None
        tag = next(self._exchange.tags)
        self._in_hand[tag] = entry
        self._listener.on_delivery(
            Delivery(
                body=entry.message.body,
                routing_key=entry.message.routing_key,
                content_type=entry.message.content_type,
                message_id=entry.message.message_id or None,
                redelivered=entry.redelivered,
                tag=tag,
            )
        )

    def hear(self, body: bytes) -> None:
        """Take one announcement; called by the exchange's other members."""
        if self._listener is not None and self._listener.on_announcement is not None:
            self._listener.on_announcement(body)

    def _check_connected(self) -> None:
        if self._listener is None:
            raise BrokerUnavailable("the broker is closed")


async def diagnose() -> AsyncIterator[Finding]:
    """See `core.ports.Finding`. Each process has its own: there is nothing to ask."""
    yield Finding("broker", "ok", "inside the service's process (memory://)")
