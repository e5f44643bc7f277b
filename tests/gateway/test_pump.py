"""The pump's hand on a connection: one write at a time, the greeting first, `closing` last."""

import asyncio
from collections.abc import Awaitable, Sequence

from notify_sse.core.frames import Control, Cursor, Frame, Reset, frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Event
from notify_sse.core.tail import Hole, Tail
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from tests.support.doubles import HandStore, metrics, until


class SlowConnection(Connection):
    """Writes down what is sent; while `gate` is not set, the client takes nothing."""

    __slots__ = ("gate", "sent", "together", "writing")

    def prepare(self) -> None:
        self.gate = asyncio.Event()
        self.sent: list[str] = []
        self.writing = self.together = 0

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return self._take(*(str(one.id) for one in frames))

    async def control(self, control: Control) -> None:
        await self._take(control.event)

    async def finish(self) -> None:
        await self._take("end")

    async def _take(self, *names: str) -> None:
        self.writing += 1
        self.together = max(self.together, self.writing)
        self.sent += names
        await self.gate.wait()
        self.writing -= 1


class Bench:
    """A pump, and a client of everyone's channel that is not connected yet, at position 3 of the log."""

    def __init__(self) -> None:
        self.tail, self.hub = Tail(max_events=10, max_bytes=10**6), Hub()
        self.tail.restart("e", start=3)
        self.pump = Pump(
            HandStore().port, self.tail, self.hub, metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1
        )
        self.connection = SlowConnection(("topic:all",), self.tail.cursor, generation=1, owner="alice")
        self.connection.prepare()

    def opening(self, reset: Reset | None = None) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self.pump.open(self.connection, connection_id="c", reset=reset))


async def test_who_was_admitted_before_a_drain_is_told_of_it() -> None:
    """It is in no list of the drain's: it was still being placed."""
    bench = Bench()
    connection = bench.connection
    await bench.pump.drain(0.0)
    connection.gate.set()
    await bench.opening()
    await until(lambda: connection.gone)
    assert connection.sent == ["connected", "closing", "end"]


async def test_a_stream_joins_before_it_reads() -> None:
    """Something is published while it is greeted: it is woken for it, or reads it, but never sleeps through it."""
    bench = Bench()
    connection = bench.connection
    opening = bench.opening()
    await until(lambda: connection.sent)
    assert connection in bench.hub.readers("topic:all")
    connection.gate.set()
    await opening
    new = bench.tail.extend(4, [frame(Event(4, "topic:all", "t", b"{}"), "e")])
    assert not isinstance(new, Hole)
    bench.pump.drive(bench.hub.wake(new, before=3))
    await until(lambda: connection.sent == ["connected", "4"])


async def test_what_falls_due_during_the_greeting_waits_for_it() -> None:
    """A process that is told to drain while a client is slow to take its greeting and its reset."""
    bench = Bench()
    connection = bench.connection
    opening = bench.opening(Reset("unknown_epoch", Cursor("d", 9), bench.tail.cursor))
    await until(lambda: connection.sent)
    bench.pump.end(connection, "drain")
    await asyncio.sleep(0.01)
    assert connection.sent == ["connected"]
    connection.gate.set()
    await opening
    await until(lambda: connection.gone)
    assert connection.sent == ["connected", "reset", "closing", "end"]
    assert connection.together == 1
    bench.pump.leave(connection)
