"""One client's connection, from the gateway's pump to the client's ears: bytes, in order, until it is cut.

What was written and not yet received is lost with the connection, and the gateway does not learn how much that was. A
client that stops reading makes the gateway's writes wait.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from notify_sse.core.frames import Control, Frame, Reset, encode_control, encode_frames
from notify_sse.core.stream import Turn
from notify_sse.core.tail import Tail
from notify_sse.gateway import eager
from notify_sse.gateway.connection import Connection
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


class WireConnection(Connection):
    """A `Connection` whose way out is a `Wire`; counts what its stream does.

    As the web does, one half writes to its wire directly, the other through a coroutine.
    Hashed by its serial number: the order of the core's sets must not depend on memory addresses, or a seed would not
    reproduce.
    """

    __slots__ = ("serial", "tally", "wire")
    transport = "wire"
    wire: Wire
    serial: int
    tally: Counter[str]

    def __hash__(self) -> int:
        return self.serial

    def pull(self, tail: Tail, *, now_ms: int) -> list[Frame] | Turn | Reset:
        turn = super().pull(tail, now_ms=now_ms)
        if isinstance(turn, list):
            self.tally["warm pulls"] += 1
        elif turn is Turn.ASLEEP:
            self.tally["fell asleep"] += 1
        return turn

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        data = encode_frames(frames, event_names=False)
        return self._send(data) if self.serial % 2 else eager.start(self._sent(data))

    async def control(self, control: Control) -> None:
        await self._sent(encode_control(control))

    async def finish(self) -> None:
        await self._sent(b"")

    async def _sent(self, chunk: bytes) -> None:
        if waiting := self._send(chunk):
            await waiting

    def _send(self, chunk: bytes) -> asyncio.Future[None] | None:
        self.tally["two writers"] += self.wire.full
        return self.wire.send(chunk)
