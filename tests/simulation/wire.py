"""One client's connection, from the gateway's pump to the client's ears: bytes, in order, until it is cut.

What was written and not yet received is lost with the connection, and the gateway does not learn how much that was. A
client that stops reading makes the gateway's writes wait.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from notify_sse import eager
from notify_sse.core.control import CloseReason, ControlEvent, Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, encode_control, encode_frames
from notify_sse.core.stream import Stream, StreamState
from notify_sse.core.tail import Tail
from tests.simulation.database import Database
from tests.simulation.loop import SimLoop


class Wire:
    """`receive` gets each chunk at the client; `ended` is done once the client has noticed the end. It holds
    `room_chunks` writes before the next one waits.
    """

    def __init__(
        self, loop: SimLoop, delay_s: Callable[[], float], receive: Callable[[bytes], None], *, room_chunks: int
    ) -> None:
        self._room_chunks = room_chunks
        self._loop = loop
        self._delay_s = delay_s
        self._receive = receive
        self._flight: list[bytes] = []
        self._room: asyncio.Future[None] | None = None
        self.stalled_until = 0.0
        self.open = True
        self.ended: asyncio.Future[None] = loop.create_future()
        self.left: asyncio.Future[None] = loop.create_future()
        """Done once the gateway has noticed that the client is gone."""

    @property
    def flying(self) -> bool:
        """Whether something is under way."""
        return bool(self._flight)

    @property
    def full(self) -> bool:
        """Whether whoever wrote last still waits for room."""
        return self._room is not None and not self._room.done()

    def send(self, chunk: bytes) -> asyncio.Future[None] | None:
        """The gateway's: None when there is room for more, else what to wait for. A wire that was cut takes all."""
        if not self.open:
            return None
        self._flight.append(chunk)
        if len(self._flight) == 1:
            self._loop.call_later(self._delay_s(), self._arrive)
        if len(self._flight) > self._room_chunks:
            self._room = self._loop.create_future()
            return self._room
        return None

    def _arrive(self) -> None:
        if not self.open:
            return
        if self._loop.now < self.stalled_until:
            self._loop.call_at(self.stalled_until, self._arrive)
            return
        chunk = self._flight.pop(0)
        if self._flight:
            self._loop.call_later(self._delay_s(), self._arrive)
        self._make_room()
        if chunk:
            self._receive(chunk)
        else:
            self.cut()

    def cut(self, *, noticed_after_s: float = 0.0) -> None:
        """The connection is gone. The client knows at once, the gateway a while later."""
        if not self.open:
            return
        self.open = False
        self.ended.set_result(None)
        self._loop.call_later(noticed_after_s, self._notice)

    def break_off(self, after_s: float) -> None:
        """The gateway's end is gone (it crashed): the client notices after a while."""
        self._loop.call_later(after_s, self.cut)

    def _notice(self) -> None:
        if not self.left.done():
            self.left.set_result(None)
        self._make_room()

    def _make_room(self) -> None:
        if self._room and not self._room.done():
            self._room.set_result(None)


class CountedStream(Stream):
    """A stream that counts what it does, and looks whether a tail gives what it knows to be recalled."""

    __slots__ = ("database", "tally")

    def __init__(self, stream: Stream, tally: Counter[str], database: Database) -> None:
        super().__init__(stream.channels, Cursor(stream.epoch, stream.position), generation=stream.generation)
        self.tally = tally
        self.database = database

    def pull(self, tail: Tail, *, now_ms: int) -> list[Frame] | StreamState | Reset:
        turn = super().pull(tail, now_ms=now_ms)
        if isinstance(turn, list):
            self.tally["warm pulls"] += 1
            if self.database.own.any_recalled and tail.epoch == self.database.epoch:
                self._look_for_recalled(turn, tail)
        return turn

    def sleeps(self, tail: Tail) -> bool:
        asleep = super().sleeps(tail)
        self.tally["fell asleep"] += asleep
        return asleep

    def _look_for_recalled(self, frames: list[Frame], tail: Tail) -> None:
        for frame in frames:
            told = self.database.own.recalled_upto(frame.id)
            self.tally["recalled, but sent"] += 0 < told <= tail.position


class WireTransport:
    """A transport over a `Wire`. As the web does, one half writes to its wire directly, the other by a coroutine."""

    name = "sse"
    buffered_bytes = 0
    greets = True
    takes_all = True

    def __init__(self, wire: Wire, serial: int, tally: Counter[str], *, task: asyncio.Task[Any] | None) -> None:
        self._wire = wire
        self._serial = serial
        self._tally = tally
        self._task = task

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return self._write(encode_frames(frames, event_names=False))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        return self._write(encode_control(event))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        del reason
        return self._write(b"")

    def abort(self) -> None:
        if self._task:
            self._task.cancel()

    def _write(self, data: bytes) -> Awaitable[None] | None:
        return self._send(data) if self._serial % 2 else eager.start(self._sent(data))

    async def _sent(self, chunk: bytes) -> None:
        if waiting := self._send(chunk):
            await waiting

    def _send(self, chunk: bytes) -> asyncio.Future[None] | None:
        self._tally["two writers"] += self._wire.full
        return self._wire.send(chunk)
