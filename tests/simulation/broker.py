"""A broker in memory: the ingest queue with one active consumer, and a live exchange that may lose anything.

It keeps what the `Broker` port promises (a confirmed message stays until it is acked, deliveries come in queue order,
those not acked come again) and nothing beyond: announcements are lost, repeated, late and out of order; confirms and
acks are lost with their connection.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

from notify_sse.core.ports import Delivery, Listener, Message
from notify_sse.errors import BrokerUnavailable
from tests.simulation.loop import Process, SimLoop

SEEN_AWAY_S: Final = 1.0
"""After so long every answer from before the store went away has come."""


class _Queued(msgspec.Struct):
    """A message in the ingest queue."""

    message: Message
    deliveries: int = 0


class Weather(msgspec.Struct, frozen=True):
    """How bad the way is, in probabilities per message; `late_s` is how late a late announcement is at most."""

    lose: float
    repeat: float
    late: float
    late_s: float
    lose_confirm: float


class Exchange:
    """The broker's side."""

    def __init__(self, loop: SimLoop, rng: Random, tally: Counter[str], weather: Weather, *, prefetch: int) -> None:
        self.loop = loop
        self.rng = rng
        self.tally = tally
        self.weather = weather
        self.prefetch = prefetch
        self.available = True
        self.dead: list[tuple[Message, str]] = []
        self.queue: deque[_Queued] = deque()
        self.links: list[Link] = []
        self.perhaps_stored: Callable[[bytes], bool] = lambda _: False
        """Whether the log has a message, or may have it once what is under way is carried out."""
        self.excused: Counter[bytes] = Counter()
        """How often a message without an id may be stored once more, because nobody could know whether it was."""
        self.store_away_s: Callable[[], float] = lambda: 0.0
        self._active: Link | None = None

    async def publish(self, message: Message) -> None:
        """A publisher's: returns once it is confirmed."""
        await self._travel()
        if not self.available:
            raise BrokerUnavailable("away")
        self.queue.append(_Queued(message))
        self.hand_out()
        if self.rng.random() < self.weather.lose_confirm:
            self.tally["confirm lost"] += 1
            raise BrokerUnavailable("not confirmed")
        await self._travel()

    async def _travel(self) -> None:
        done = self.loop.create_future()
        self.loop.call_later(self.rng.random() * 0.002, _arrive, done)
        await done

    def spread(self, body: bytes) -> None:
        """To every gateway's own queue on the live exchange, as the weather has it."""
        for link in self.links:
            if link.connected:
                for _ in range(self._copies()):
                    delay_s = self.rng.random() * 0.002
                    if self.rng.random() < self.weather.late:
                        self.tally["announcement late"] += 1
                        delay_s = self.rng.random() * self.weather.late_s
                    self.loop.call_later(delay_s, link.hear, body, link.session, context=link.process.context.copy())

    def _copies(self) -> int:
        draw = self.rng.random()
        if draw < self.weather.lose:
            self.tally["announcement lost"] += 1
            return 0
        if draw < self.weather.lose + self.weather.repeat:
            self.tally["announcement repeated"] += 1
            return 2
        return 1

    def attach(self, link: "Link") -> None:
        self.links.append(link)
        self.hand_out()

    def detach(self, link: "Link") -> None:
        """Its connection is gone."""
        self.links.remove(link)
        self.take_back(link)

    def take_back(self, link: "Link") -> None:
        """What it has not acked comes again, to whoever is active next, in order."""
        for queued in reversed(link.outstanding.values()):
            self.queue.appendleft(queued)
            # A frozen process learns of it only when it goes on.
            if not queued.message.message_id and (link.process.frozen or self.perhaps_stored(queued.message.body)):
                self.excused[queued.message.body] += 1
        link.outstanding.clear()
        if self._active is link:
            self._active = None
        link.tell_returned()
        self.hand_out()

    def hand_out(self) -> None:
        """Deliver to the one active consumer, as far as its prefetch allows. One that stops consuming stays the
        active one until all that it was given is acked, so that order is kept.
        """
        if self._active and not self._active.consuming and not self._active.outstanding:
            self._active = None
        if self._active is None:
            waiting = [link for link in self.links if link.consuming]
            if not waiting:
                return
            self._active = waiting[int(self.rng.random() * len(waiting))]
        link = self._active
        while self.queue and len(link.outstanding) < self.prefetch and link.consuming:
            queued = self.queue.popleft()
            if queued.deliveries:
                self.tally["redelivered"] += 1
            queued.deliveries += 1
            link.deliver(queued)


class Link:
    """The `Broker` of one process, as far as the core uses it. Its owner connects and cuts it."""

    def __init__(self, exchange: Exchange, process: Process) -> None:
        self.listener: Listener | None = None
        self.exchange = exchange
        self.process = process
        self.session = 0
        self.connected = False
        self.consuming = False
        self.paused = False
        self._untold = False
        self.outstanding: dict[int, _Queued] = {}
        self._tag = 0
        self._on_the_way: deque[Delivery] = deque()

    async def start(self, listener: Listener) -> None:
        self.listener = listener
        self.connect()

    def connect(self) -> None:
        """Connect, unless the broker is away: its owner then tries again."""
        if not self.exchange.available or not self.process.alive or self.connected or self.listener is None:
            return
        self.process.context.copy().run(self._tell_returned)
        self.session += 1
        self.connected = True
        self.consuming = not self.paused
        self.exchange.attach(self)
        self.exchange.loop.call_soon(self._tell_connected, self.session, context=self.process.context.copy())

    def cut(self) -> None:
        """The connection is gone, and all that was under way on it."""
        if self.connected:
            self.connected = self.consuming = False
            self._on_the_way.clear()
            self.exchange.detach(self)

    async def pause_consuming(self) -> None:
        self.paused = True
        self.consuming = False
        if self.connected:
            self._on_the_way.clear()
            self.exchange.tally["given back"] += 1
            self.exchange.take_back(self)

    async def resume_consuming(self) -> None:
        if self.exchange.store_away_s() > SEEN_AWAY_S:
            self.exchange.tally["taken again too early"] += 1
        self.paused = False
        self.consuming = self.connected
        self.exchange.hand_out()

    def tell_returned(self) -> None:
        """Before anything comes again. A frozen process hears it when it goes on, at the latest when it connects."""
        self._untold = True
        if self.process.frozen:
            self.exchange.loop.call_soon(self._tell_returned, context=self.process.context.copy())
        else:
            self.process.context.copy().run(self._tell_returned)

    def _tell_returned(self) -> None:
        if self._untold and self.listener is not None and self.process.alive:
            assert self.listener.on_returned
            self.listener.on_returned()
        self._untold = False

    def hear(self, body: bytes, session: int) -> None:
        if session == self.session and self.connected:
            assert self.listener
            assert self.listener.on_announcement
            self.listener.on_announcement(body)

    def deliver(self, queued: _Queued) -> None:
        self._tag += 1
        self.outstanding[self._tag] = queued
        message = queued.message
        self._on_the_way.append(
            Delivery(
                body=message.body,
                routing_key=message.routing_key,
                content_type=message.content_type,
                message_id=message.message_id or None,
                redelivered=queued.deliveries > 1,
                tag=self._tag,
            )
        )
        if len(self._on_the_way) == 1:
            delay_s = self.exchange.rng.random() * 0.002
            self.exchange.loop.call_later(delay_s, self._hand_over, self.session, context=self.process.context.copy())

    def _hand_over(self, session: int) -> None:
        if session == self.session:
            while self._on_the_way:
                assert self.listener
                assert self.listener.on_delivery
                self.listener.on_delivery(self._on_the_way.popleft())

    def _tell_connected(self, session: int) -> None:
        if session == self.session and self.connected:
            assert self.listener
            self.listener.on_connected()

    async def stop_consuming(self) -> None:
        """What was handed over stays outstanding, and the queue this process's, until all of it is acked."""
        self.consuming = False

    async def announce(self, body: bytes) -> None:
        if not self.connected:
            raise BrokerUnavailable("away")
        self.exchange.spread(body)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        session = self.session
        if self.exchange.rng.random() < 0.5:
            await self.exchange._travel()
        if not self.connected or session != self.session:
            raise BrokerUnavailable("away")
        for delivery in deliveries:
            self.outstanding.pop(delivery.tag, None)
        self.exchange.hand_out()

    async def dead_letter(self, delivery: Delivery, *, reason: str, detail: str) -> None:
        assert detail
        session = self.session
        await self.exchange._travel()
        if not self.connected or session != self.session:
            raise BrokerUnavailable("away")
        if self.exchange.rng.random() < self.exchange.weather.lose_confirm:
            raise BrokerUnavailable("not confirmed")
        message = Message(delivery.body, delivery.routing_key, delivery.message_id or "", delivery.content_type)
        self.exchange.dead.append((message, reason))
        self.exchange.tally["dead letters"] += 1


def _arrive(done: asyncio.Future[None]) -> None:
    if not done.done():  # whoever waited may have been cancelled
        done.set_result(None)
