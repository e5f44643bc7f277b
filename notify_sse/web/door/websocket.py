"""An accepted socket as a WebSocket, and as the transport of its stream: one JSON text message an event.

While its client says nothing it costs what an event stream costs: who reads what it says is made for that, and let go
when nothing is left half read. Nothing waits here for the client: what it does not read is not written twice, and what
it says too fast, or too long, ends it before it is kept.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from enum import IntEnum
from typing import Final, Protocol

import msgspec
from wsproto.frame_protocol import CloseReason as CloseCode

from notify_sse.core.control import CloseReason, ControlEvent, under
from notify_sse.core.frames import Frame
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.registry import Registry
from notify_sse.web.door.messages import (
    Broken,
    Closed,
    Incoming,
    Message,
    MessageReader,
    Pinged,
    close_frame,
    pong_frame,
    text_frame,
)
from notify_sse.web.door.patience import Patience
from notify_sse.web.door.sockets import Sockets
from notify_sse.web.door.transport import DoorTransport

MAX_MESSAGE_BYTES: Final = 16_384
MAX_FRAMES_PER_S: Final = 50
"""Of a client, of any kind: a ping in each second is much. An empty one costs as much work as a full one."""
MAX_EARLY_BYTES: Final = 65_536
"""A client may not send before it is answered; one that does it nevertheless waits for its answer with so much."""
MAX_DISCARDED_BYTES: Final = 1_048_576
"""What a client that was told to go may still send: a message that was under way, say."""
CLOSE_CODES: Final[dict[CloseReason, int]] = {
    "drain": CloseCode.SERVICE_RESTART,
    "token_expired": 4001,
    "revoked": 4002,
    "replaced": 4003,
    "slow_consumer": 4004,
}
PONG_EVENT: Final = text_frame(b'{"event":"pong"}')
_encode = msgspec.json.Encoder().encode


class _State(IntEnum):
    """How far it is."""

    HANDSHAKE = 0
    OPEN = 1
    CLOSING = 2
    """We have said the last word, and wait for the client's."""
    DEAF = 3
    """The client is told to go: what it sends is thrown away."""


class MessageHandler(Protocol):
    """Who hears what the client of an open stream says."""

    def handle(self, transport: "WebSocketTransport", data: bytes) -> None:
        """A whole message has come. Does not block."""


class WebSocketTransport(DoorTransport):
    """`lingering` waits for those who were told to go. `keeps` is whatever must live as long as the socket.

    It begins as an HTTP request, whose answer is put through it; `accept` makes it a WebSocket. Until `carry` opens its
    stream, its messages wait for `next_message`.
    """

    __slots__ = (
        "_discarded",
        "_early",
        "_frames",
        "_held",
        "_lingering",
        "_owed",
        "_reader",
        "_second",
        "_state",
        "_waiter",
        "handler",
        "keeps",
        "renewals",
    )
    name = "websocket"

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        sockets: Sockets,
        lingering: "Patience[WebSocketTransport]",
        early: bytes = b"",
        keeps: object = None,
    ) -> None:
        super().__init__(transport, sockets=sockets)
        self._lingering = lingering
        self._early = early
        self.keeps = keeps
        self.handler: MessageHandler | None = None
        self._reader: MessageReader | None = None
        self._held: list[bytes] | None = None
        """Messages that wait for `next_message`."""
        self._waiter: asyncio.Future[None] | None = None
        self._owed: bytes | None = None
        """What answers the latest ping of a client that does not read."""
        self._second = self._frames = self._discarded = 0
        self.renewals = 0
        """How many new tokens its client has sent."""
        self._state = _State.HANDSHAKE

    # The handshake, and what comes before the stream.

    def accept(self, head: bytes) -> None:
        """It is a WebSocket from now on. `head` is the answer: it leaves with the first bytes behind it."""
        self._state = _State.OPEN
        self.begin(head)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    async def next_message(self) -> bytes | None:
        """The next message of a client whose stream is not open yet; None when there will be none."""
        self.put(b"")
        while not self._held and not self.over:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._held.pop(0) if self._held and not self.over else None

    @property
    def over(self) -> bool:
        """Whether the client has gone, or was told to."""
        return self._lost or self._state >= _State.CLOSING

    def carry(self, connection: Connection, registry: Registry) -> None:
        super().carry(connection, registry)
        if self.over:
            self._leave()
        held, self._held = self._held, None
        for data in held or ():
            self._hear(data)

    # The stream, as a `gateway.connection.Transport`.

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return self.put(b"".join([_message(frame) for frame in frames]))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        event = under(event, self.root)
        data: dict[str, object] = {"event": event.name, "data": event.data}
        return self.put(text_frame(_encode({"id": str(event.cursor), **data} if event.cursor else data)))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        self.close(CLOSE_CODES[reason], reason)
        return self._until_lost()

    # What the service says beside the stream.

    def put(self, data: bytes) -> Awaitable[None] | None:
        # Its side of the socket is closed for us.
        return super().put(data) if self._state is not _State.DEAF else None

    def pong(self) -> None:
        """Answer a ping message."""
        self._answer(PONG_EVENT)

    def close(self, code: int, reason: str = "") -> None:
        """Say the last word, and wait a little for the client's: its socket closes after that (RFC 6455, 7.1.1)."""
        if self.over:
            return
        self.put(close_frame(code, reason))
        self._state = _State.CLOSING
        self._lingering.begin(self)
        self._wake()

    def fail(self, code: int, reason: str = "") -> None:
        """End it, stream and all, because of what the client did. What it sends from now on is thrown away."""
        if self._resumed is not None:  # it does not read: it would never hear of it
            self.abort()
        else:
            self.close(code, reason)
            # Closed for good with unread bytes, the socket would be reset, and the client would not hear why.
            if self._transport.can_write_eof() and not self._transport.is_closing():
                self._transport.write_eof()
        self._state = _State.DEAF
        self._leave()
        self._wake()

    # The socket, as an asyncio protocol.

    def data_received(self, data: bytes) -> None:
        if self._state is _State.HANDSHAKE:
            self._early += data
            if len(self._early) > MAX_EARLY_BYTES:
                self.abort()
        elif self._state is _State.DEAF:
            self._discarded += len(data)
            if self._discarded > MAX_DISCARDED_BYTES:
                self.abort()
        else:
            self._read(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lingering.end(self)
        self._reader = None
        super().connection_lost(exc)
        self._wake()

    def eof_received(self) -> None:
        super().eof_received()
        self._wake()

    def resume_writing(self) -> None:
        super().resume_writing()
        owed, self._owed = self._owed, None
        if owed and not self.over:
            self.put(owed)

    def _read(self, data: bytes) -> None:
        # Held while it reads, so that what a message leads to finds it here, and gone when nothing is half read.
        reader = self._reader = self._reader or MessageReader(max_bytes=MAX_MESSAGE_BYTES, allow=self._allow)
        for came in reader.feed(data):
            self._on(came)
            if self._lost or self._state is _State.DEAF:  # the rest is nobody's
                self._reader = None
                return
        if reader.idle:
            self._reader = None

    def _on(self, came: Incoming) -> None:
        if isinstance(came, Closed):
            if not self.over:
                self.put(close_frame(came.code))
            self._state = _State.DEAF
            self.end()
            self._leave()
            self._wake()
        elif self.over:
            if isinstance(came, Broken):
                self.end()
        elif isinstance(came, Message):
            self._take(came.data)
        elif isinstance(came, Pinged):
            self._answer(pong_frame(came.payload))
        else:
            self.fail(came.code, came.reason)

    def _take(self, data: bytes) -> None:
        if self._connection is not None:
            self._hear(data)
            return
        held = self._held = self._held or []
        held.append(data)
        if sum(map(len, held)) > MAX_MESSAGE_BYTES:
            self.fail(CloseCode.MESSAGE_TOO_BIG, "too much before the stream is open")
        self._wake()

    def _hear(self, data: bytes) -> None:
        if self.handler is not None and not self.over:
            self.handler.handle(self, data)

    def _answer(self, frame: bytes) -> None:
        """Answer a ping. Of a client that does not read, only the latest is answered (RFC 6455, 5.5.3)."""
        if self._resumed is None:
            self.put(frame)
        else:
            self._owed = frame

    def _allow(self) -> bool:
        """Whether the client may send one more frame in this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._frames = second, 0
        self._frames += 1
        return self._frames <= MAX_FRAMES_PER_S

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _message(frame: Frame) -> bytes:
    return text_frame(b'{"id":"%b","event":"%b","data":%b}' % (frame.cursor, frame.name.encode(), frame.body))
