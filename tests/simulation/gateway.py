"""One process of the service: the real core, wired as `app` wires it, on the simulated store, broker and clients."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, cast

import msgspec

from notify_sse.auth import Grant
from notify_sse.broker.live import LiveExchange
from notify_sse.core.cursor import Cursor
from notify_sse.core.erasure import Erasure
from notify_sse.core.hub import Hub
from notify_sse.core.model import Announcement
from notify_sse.core.parse import parse
from notify_sse.core.ports import Broker, Head, Listener, Store
from notify_sse.core.read_state import ReadState
from notify_sse.core.tail import Tail
from notify_sse.errors import BadNotification, Overloaded, StoreUnavailable
from notify_sse.gateway.admission import Admission, Limits
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.continuity import Continuity
from notify_sse.gateway.live import LiveMessages
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.gateway.unread import UnreadCounts
from notify_sse.log.announce import Announcer
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.pause import Pause
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage
from tests.simulation.broker import Exchange, Link
from tests.simulation.database import Database, SimStore
from tests.simulation.loop import Process, SimLoop
from tests.simulation.tally import TallyMetrics
from tests.simulation.wire import CountedStream, Wire, WireTransport

MAX_BYTES = 16_384


class Sizes(msgspec.Struct, frozen=True):
    """Limits of a process, small, so that a short run reaches each."""

    tail_events: int
    tail_bytes: int
    ingest_batch: int
    heartbeat_s: float
    stall_s: float
    max_replays: int


class Names(msgspec.Struct, frozen=True):
    """These are read, or are not."""

    names: tuple[str, ...]
    read: bool


Mark = str | Names
"""Up to a cursor, or by notification_ids."""


class CountedRelay(Relay[Connection]):
    """A `Relay` that counts what has no metric."""

    tally: Counter[str]

    async def catch_up(self) -> None:
        self.tally["caught up for a cursor"] += 1
        await super().catch_up()

    def _skip_to(self, start: int) -> None:
        self.tally["tail skipped"] += 1
        super()._skip_to(start)

    def _break_off(self, head: Head) -> None:
        self.tally["log broke off"] += 1
        super()._break_off(head)


class SimGateway(Process):
    """A process. `start` it; what it is doing ends at any await with `crash`."""

    def __init__(
        self,
        name: str,
        *,
        loop: SimLoop,
        rng: Random,
        tally: Counter[str],
        database: Database,
        exchange: Exchange,
        sizes: Sizes,
        flaky: float,
        counts: bool,
    ) -> None:
        super().__init__(name)
        self._database = database
        self._loop = loop
        self._rng = rng
        self._tally = tally
        self._sizes = sizes
        self.draining = False
        self.wires: dict[Wire, Connection | None] = {}
        self._serial = 0
        self.link = Link(exchange, self)
        sim_store = SimStore(database, loop, rng, tally, flaky=flaky)
        store, self._read_state = cast("Store", sim_store), cast("ReadState", sim_store)
        metrics = cast("Metrics", TallyMetrics(tally))
        self.tail = Tail(max_events=sizes.tail_events, max_bytes=sizes.tail_bytes)
        self._unread = UnreadCounts(self._read_state, self.tail) if counts else None
        self.hub: Hub[Connection] = Hub()
        self.pump = Pump(
            store,
            self.tail,
            metrics,
            heartbeat_s=sizes.heartbeat_s,
            stall_s=sizes.stall_s,
            max_replays=sizes.max_replays,
            retry_ms=1000,
            unread=self._unread,
        )
        self.pump.deadlines.resolution_s = sizes.heartbeat_s / 4
        self.registry = Registry(self.pump, self.hub, metrics)
        outage = Outage("the store")
        self.relay = CountedRelay(
            store,
            self.tail,
            self.hub,
            metrics,
            outage=outage,
            drive=self._drive,
            on_extended=self._unread.follow if self._unread else None,
            continuity=Continuity(store, self.tail),
        )
        self.relay.tally = tally
        self.live_messages = LiveMessages(
            metrics,
            take=self.relay.take,
            revoke=lambda _: None,
            end=self.registry.end_one,
            ask=lambda: None,
            repair=self.relay.repair,
        )
        broker = cast("Broker", self.link)
        live = LiveExchange(broker, metrics, spawn=self.spawn)
        self._announcer = announcer = Announcer(take_here=self.relay.take, tell_others=live.tell)
        self.appender = Appender(store, metrics, outage=outage, on_committed=announcer.announce)
        self.recalls = Recalls(cast("Erasure", store), announce=announcer.announce)
        self.ingest = Ingest(
            broker, self.appender, self.recalls, metrics, batch=sizes.ingest_batch, max_bytes=MAX_BYTES
        )
        self.pause = Pause(broker, outage, stored=lambda: self.appender.stored)
        limits = Limits(max_streams=1000, max_streams_per_recipient=1000)
        self.admission = Admission(self.tail, self.relay, self.registry, metrics, limits=limits)

    def start(self) -> None:
        self.spawn(self.appender.run())
        self.spawn(self.ingest.run())
        self.spawn(self.relay.run(max_events=self._sizes.tail_events, max_bytes=self._sizes.tail_bytes))
        self.spawn(self.pump.run())
        self.spawn(self.pause.run())
        listener = Listener(
            on_connected=self.relay.repair,
            on_delivery=self.ingest.deliver,
            on_returned=self._returned,
            on_announcement=self.live_messages.hear,
        )
        self.spawn(self.link.start(listener))

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = self._loop.create_task(work, context=self.context.copy())
        return task

    def crash(self) -> None:
        """As by SIGKILL. The broker and the clients notice a little later."""
        self.alive = False
        self.link.cut()
        for wire in self.wires:
            wire.break_off(self._rng.random() * 0.05)

    async def drain(self, within_s: float, ended: Callable[[], None]) -> None:
        """As by SIGTERM."""
        self.draining = self.admission.draining = True
        await self.link.stop_consuming()
        await self.registry.drain(within_s)
        await self.ingest.finish()
        ended()

    def _returned(self) -> None:
        self.ingest.returned()
        self.pause.returned()

    def _drive(self, connections: list[Connection]) -> None:
        self._tally["woken"] += len(connections)
        self.pump.drive(connections)

    def caught_up(self, wire: Wire, database: Database) -> bool:
        """Whether the stream on `wire` has sent all that the log has, and the client has received it."""
        connection = self.wires.get(wire)
        return (
            connection is not None
            and wire.open
            and connection.stream.asleep
            and not connection.busy
            and not wire.flying
            and connection.stream.generation == self.tail.generation
            and self.tail.cursor == Cursor(database.epoch, len(database.rows))
        )

    def noticed(self, database: Database) -> bool:
        """Whether the tail and every stream stand within `database`, which went back a while ago."""
        return self.tail.position <= len(database.rows) and all(
            one.stream.generation == self.tail.generation and one.stream.position <= len(database.rows)
            for one in self.wires.values()
            if one and one.stream.asleep
        )

    def accept(self, wire: Wire, grant: Grant, topics: tuple[str, ...], brought: str) -> None:
        """A client connects. A process that cannot take it ends the wire."""
        self.wires[wire] = None
        self.spawn(self._serve(wire, grant, topics, brought))

    async def _serve(self, wire: Wire, grant: Grant, topics: tuple[str, ...], brought: str) -> None:
        """What `web.stream` does, with a wire in place of ASGI."""
        self._serial += 1
        transport = WireTransport(wire, self._serial, self._tally, task=asyncio.current_task())
        try:
            connection = await self.admission.admit(grant, transport, topics=topics, last_event_id=brought or None)
        except Overloaded:
            self._tally["stream not admitted"] += 1
            wire.break_off(0.0)
            del self.wires[wire]
            return
        connection.stream = CountedStream(connection.stream, self._tally, self._database)
        self.wires[wire] = connection
        try:
            self.registry.open(connection)
            await wire.left
        except asyncio.CancelledError:
            wire.break_off(0.0)
        finally:
            self.registry.leave(connection)
            del self.wires[wire]

    def post(self, raw: bytes, answer: Callable[[int], None]) -> None:
        """`POST /notifications`: `answer` gets the status, unless the process dies first."""
        self.spawn(self._post(raw, answer))

    def recall(self, channel: str, notification_id: str, answer: Callable[[int], None]) -> None:
        """`DELETE /notifications/{notification_id}`."""
        self.spawn(self._recall(channel, notification_id, answer))

    async def _recall(self, channel: str, notification_id: str, answer: Callable[[int], None]) -> None:
        try:
            recalled = await self.recalls.recall(channel, notification_id)
        except StoreUnavailable:
            answer(503)
        else:
            answer(200 if recalled else 404)

    def mark(self, recipient: str, mark: Mark) -> None:
        """`POST /notifications/read`. Whoever marks sees in the stream what came of it."""
        self.spawn(self._mark(recipient, mark))

    async def _mark(self, recipient: str, mark: Mark) -> None:
        with suppress(StoreUnavailable, Overloaded):
            if isinstance(mark, str):
                placed = await self.admission.place(mark)
                if placed.reset:
                    return
                marked = await self._read_state.mark_upto(recipient, placed.cursor.position)
            else:
                marked = await self._read_state.mark(recipient, mark.names, read=mark.read)
            if marked.event:
                self._announcer.announce(Announcement(marked.epoch, marked.event.id, (marked.event,)))

    async def _post(self, raw: bytes, answer: Callable[[int], None]) -> None:
        try:
            one = parse(raw, max_bytes=MAX_BYTES, now=datetime.now(UTC), new_id=lambda: "unnamed")
            async with asyncio.timeout(2.0):
                (outcome,) = await self.appender.append([one])
        except BadNotification:
            answer(400)
        except (Overloaded, TimeoutError):
            answer(503)
        else:
            answer({"new": 201, "duplicate": 200, "conflict": 409, "refused": 422}[outcome.outcome])
