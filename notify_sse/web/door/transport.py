"""An accepted socket as the transport of its stream: what the pump writes goes straight to it.

It is one small object for as long as the stream is open: no task, no reader, no parser. Whatever ends the socket ends
the stream, so there are never more streams than sockets. Here is what both kinds share, and the event stream;
`websocket.py` has the other.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from notify_sse.core.control import CloseReason, ControlEvent, Heartbeat, under
from notify_sse.core.frames import Frame, encode_control, encode_frames
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.registry import Registry
from notify_sse.web.door.answering import AnswerTransport
from notify_sse.web.door.sockets import Sockets

MAX_UNASKED_BYTES: Final = 65_536
"""A client has nothing to say on its event stream. So much is thrown away, since a stray line end is no reason to lose
a stream; then it is cut off. Nothing of it is ever answered: the answer says `Connection: close`."""


class DoorTransport(AnswerTransport):
    """First the answer's bytes are put through it; with `carry` it becomes a stream's."""

    __slots__ = ("_connection", "_registry", "root")
    greets = True
    takes_all = True

    def __init__(self, transport: asyncio.Transport, *, sockets: Sockets) -> None:
        super().__init__(transport, sockets=sockets)
        self._registry: Registry | None = None
        self._connection: Connection | None = None
        self.root = ""

    # The stream.

    def carry(self, connection: Connection, registry: Registry) -> None:
        """Open `connection`: from now on the pump writes here, and the end of the socket is the connection's end."""
        self.carries = True
        self._connection, self._registry = connection, registry
        registry.open(connection)
        if self._lost:  # the client went while it was admitted
            self._leave()

    @property
    def connection(self) -> Connection | None:
        """The stream's, from its opening until it ends."""
        return self._connection

    def _until_lost(self) -> Awaitable[None] | None:
        """What to wait for until the client has taken everything, and the socket is gone; None when it is."""
        # Who takes nothing is cut off by the deadline for a stall.
        if self._resumed is None and not self._lost:
            self._resumed = asyncio.get_running_loop().create_future()
        return self._resumed

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    # The socket, as an asyncio protocol.

    def eof_received(self) -> None:
        """A client that has ended its side has gone. The socket closes."""
        self._lost = True
        self._leave()

    def _gone(self) -> None:
        self._leave()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and self._registry is not None:
            self._registry.leave(connection)


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Newest:
    """The last frame that went out alone, and the last heartbeat: a broadcast is one chunk for every stream, and so are
    the heartbeats of all who have seen as much.
    """

    __slots__ = ("_block", "_chunk", "_heartbeat", "_heartbeat_chunk")

    def __init__(self) -> None:
        self._block = self._chunk = self._heartbeat_chunk = b""
        self._heartbeat: Heartbeat | None = None

    def frame(self, frame: Frame) -> bytes:
        """`frame` as a chunk; not made again for the same object."""
        if frame.block is not self._block:
            self._block, self._chunk = frame.block, chunk(frame.block)
        return self._chunk

    def heartbeat(self, event: Heartbeat) -> bytes:
        """`event` as a chunk; not made again for the same object."""
        if event is not self._heartbeat:
            self._heartbeat, self._heartbeat_chunk = event, chunk(encode_control(event))
        return self._heartbeat_chunk


_newest: Final = _Newest()


class EventStreamTransport(DoorTransport):
    """A stream as Server-Sent Events, in chunks. `event_names`: notifications carry their type as the event's name."""

    __slots__ = ("_unasked", "event_names")
    name = "sse"

    def __init__(self, transport: asyncio.Transport, *, sockets: Sockets) -> None:
        super().__init__(transport, sockets=sockets)
        self._unasked = 0
        self.event_names = False

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        if len(frames) == 1 and not self.event_names:
            return self.put(_newest.frame(frames[0]))
        return self.put(chunk(encode_frames(frames, event_names=self.event_names)))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        if isinstance(event, Heartbeat):
            return self.put(_newest.heartbeat(event))
        return self.put(chunk(encode_control(under(event, self.root))))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        del reason
        self.put(b"0\r\n\r\n")
        self.end()
        return self._until_lost()

    def data_received(self, data: bytes) -> None:
        self._unasked += len(data)
        if self._unasked > MAX_UNASKED_BYTES:
            self.abort()
