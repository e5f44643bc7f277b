"""One connection of a client that can be slow, and the pump that drives it."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import cast

from notify_sse import eager
from notify_sse.core.control import CloseReason, ControlEvent, Reset
from notify_sse.core.frames import Frame, frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Event
from notify_sse.core.read_state import Unread
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Hole, Tail
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.unread import Tell, UnreadCounts
from tests.support.doubles import HandStore, metrics


class Counting:
    """Knows nothing at once; answers what it was asked when it is told to."""

    def __init__(self) -> None:
        self.asked: list[Tell] = []

    def known(self, recipient_id: str) -> None:
        assert recipient_id == "alice"

    def ask(self, recipient_id: str, tell: Tell) -> None:
        assert recipient_id == "alice"
        self.asked.append(tell)

    def answer(self, unread: Unread | None) -> None:
        for tell in self.asked:
            tell(unread)


class SlowTransport:
    """Writes down what is sent; while `gate` is not set, the client takes nothing."""

    name = "sse"
    buffered_bytes = 7
    greets = True
    takes_all = True

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sent: list[str] = []
        self.writing = self.together = 0

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return eager.start(self._take(*(str(one.id) for one in frames)))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        return eager.start(self._take(event.name))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        del reason
        return eager.start(self._take("end"))

    def abort(self) -> None:
        self.sent.append("aborted")

    async def _take(self, *names: str) -> None:
        self.writing += 1
        self.together = max(self.together, self.writing)
        self.sent += names
        await self.gate.wait()
        self.writing -= 1


class Bench:
    """A pump, and a client of everyone's channel that is not connected yet, at position 3 of the log."""

    def __init__(self, *, reset: Reset | None = None) -> None:
        self.tail = Tail(max_events=10, max_bytes=10**6)
        self.hub: Hub[Connection] = Hub()
        self.tail.restart("e", start=3)
        self.pump = Pump(HandStore().port, self.tail, metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1)
        self.registry = Registry(self.pump, self.hub, metrics())
        self.transport = SlowTransport()
        self.connection = self.another(reset=reset)

    def another(self, *, reset: Reset | None = None) -> Connection:
        """A connection of the same client."""
        stream = Stream(("topic:all",), self.tail.cursor, generation=1)
        return Connection(stream, self.transport, connection_id="c", recipient_id="alice", reset=reset)

    def count(self) -> Counting:
        """From now on it has to be counted what is unread."""
        counting = Counting()
        self.pump._greetings._unread = cast("UnreadCounts", counting)
        return counting

    def publish(self, place: int) -> None:
        """One event, and whoever sleeps is woken for it."""
        new = self.tail.extend(place, [frame(Event(place, "topic:all", "t", b"{}"), "e")])
        assert not isinstance(new, Hole)
        self.pump.drive(self.hub.wake(new, before=place - 1))
