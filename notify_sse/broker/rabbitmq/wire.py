"""The socket under an aiormq connection, and the fast way for messages past aiormq.

aiormq decodes each message's three frames with every property that the publisher set, and starts a task for it. That is
slow, the order is then the event loop's, and a property that Python cannot hold (a timestamp in the year 300,000, a
string that is not UTF-8) ends the connection: one such message would be delivered, and break the connection, for ever.
So the frames of deliveries on chosen channels are taken out of the stream before aiormq sees it, and only what we use
of them is read. All other frames are aiormq's; nothing is decided here.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

UNANSWERED_S: Final = 10.0
"""What we sent (heartbeats among it) must be acknowledged by the peer's kernel within this time."""

READ_BYTES: Final = 262_144
SIGN_OF_LIFE_S: Final = 1.0

METHOD, HEADER, BODY = 1, 2, 3
PROTOCOL_HEADER: Final = ord("A")
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
DELIVER: Final = b"\x00\x3c\x00\x3c"
FRAME: Final = struct.Struct(">BHI")
TAG: Final = struct.Struct(">QB")
CONTENT: Final = struct.Struct(">xxxxQH")
FLAGS: Final = struct.Struct(">H")
LONG: Final = struct.Struct(">I")
MORE_FLAGS: Final = 1
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID = 1 << 10, 1 << 9, 1 << 8, 1 << 7


class Received(msgspec.Struct, gc=False):
    """One delivered message: what we use of it. Text that is not UTF-8 has U+FFFD in its place."""

    tag: int
    redelivered: bool
    routing_key: str
    content_type: str = ""
    message_id: str = ""
    body: bytes = b""


class Wire(TransportFactory):
    """Opens the socket for aiormq, and stays at hand for what aiormq does not offer."""

    def __init__(self) -> None:
        self._reader: FrameReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await factory.create(url, **options)
        self._reader = FrameReader(reader)
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNANSWERED_S * 1000))
        return self._reader, self._writer

    @property
    def silent_s(self) -> float:
        """How long nothing has come in."""
        return time.monotonic() - self._reader.heard_at if self._reader else 0.0

    @property
    def unsent_bytes(self) -> int:
        """How much was written that the socket has not taken."""
        return self._writer.transport.get_write_buffer_size() if self._writer else 0

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._writer is not None:
            self._writer.transport.abort()

    def tap(self, channel_number: int, on_message: Callable[[Received], None]) -> None:
        """From now on, deliveries on that channel go to `on_message`, in order, and not to aiormq.

        `on_message` is called while the socket is read, so it must not block; what it raises ends the connection.
        """
        assert self._reader is not None
        self._reader.taps[channel_number] = Tap(on_message)


class FrameReader(asyncio.StreamReader):
    """What aiormq reads: the frames that came in, without those that a tap took."""

    def __init__(self, source: asyncio.StreamReader) -> None:
        super().__init__()
        self.taps: dict[int, Tap] = {}
        self.heard_at = time.monotonic()
        self._source = source
        self._came = bytearray()
        self._passed = bytearray()
        self._shown_at = 0.0

    def at_eof(self) -> bool:
        return self._source.at_eof() and not self._passed

    async def readexactly(self, n: int) -> bytes:
        while len(self._passed) < n:
            chunk = await self._source.read(READ_BYTES)
            if not chunk:
                raise asyncio.IncompleteReadError(bytes(self._passed), n)
            self.heard_at = time.monotonic()
            self._came += chunk
            self._sort()
        wanted = bytes(self._passed[:n])
        del self._passed[:n]
        return wanted

    def _sort(self) -> None:
        """Give every complete frame that came to its tap, or pass it on."""
        came, start, end = self._came, 0, len(self._came)
        if came[0] == PROTOCOL_HEADER:  # the broker wants another protocol; aiormq says so
            self._passed += came
            start = end
        while end - start > FRAME.size:
            kind, channel, size = FRAME.unpack_from(came, start)
            after = start + FRAME.size + size + 1
            if after > end:
                break
            tap = self.taps.get(channel)
            if tap is not None and tap.take(kind, bytes(came[start + FRAME.size : after - 1])):
                self._show_life()
            else:
                self._passed += came[start:after]
            start = after
        del came[:start]

    def _show_life(self) -> None:
        """A broker that delivers without pause sends no heartbeats, and aiormq must not take that for silence."""
        now = time.monotonic()
        if now > self._shown_at + SIGN_OF_LIFE_S:
            self._shown_at = now
            self._passed += HEARTBEAT_FRAME


class Tap:
    """Puts the deliveries of one channel together from their frames."""

    def __init__(self, on_message: Callable[[Received], None]) -> None:
        self._on_message = on_message
        self._message: Received | None = None
        self._body: list[bytes] = []
        self._missing = 0

    def take(self, kind: int, payload: bytes) -> bool:
        """Take a frame if it is part of a delivery."""
        if kind == METHOD:
            if not payload.startswith(DELIVER):
                return False
            self._message = _deliver(payload)
            return True
        if self._message is None:
            return False
        if kind == HEADER:
            self._missing = _read_header(payload, self._message)
        elif kind == BODY:
            self._body.append(payload)
            self._missing -= len(payload)
        if not self._missing:
            self._complete(self._message)
        return True

    def _complete(self, message: Received) -> None:
        message.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        self._message = None
        self._on_message(message)


def _deliver(payload: bytes) -> Received:
    """basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key."""
    at = 5 + payload[4]
    tag, redelivered = TAG.unpack_from(payload, at)
    at += TAG.size
    at += 1 + payload[at]
    return Received(tag=tag, redelivered=bool(redelivered & 1), routing_key=_short(payload, at))


def _read_header(payload: bytes, message: Received) -> int:
    """The content header: fills in what we use; returns the body's size in bytes."""
    size, flags = CONTENT.unpack_from(payload)
    at, more = CONTENT.size, flags
    while more & MORE_FLAGS:
        (more,) = FLAGS.unpack_from(payload, at)
        at += FLAGS.size
    if flags & CONTENT_TYPE:
        message.content_type = _short(payload, at)
        at += 1 + payload[at]
    if flags & MESSAGE_ID:
        message.message_id = _short(payload, _place_of_message_id(payload, at, flags))
    return int(size)


def _place_of_message_id(payload: bytes, at: int, flags: int) -> int:
    """Past the properties between content type and message id."""
    if flags & CONTENT_ENCODING:
        at += 1 + payload[at]
    if flags & HEADERS:
        at += LONG.size + LONG.unpack_from(payload, at)[0]
    at += bool(flags & DELIVERY_MODE) + bool(flags & PRIORITY)
    for flag in (CORRELATION_ID, REPLY_TO, EXPIRATION):
        if flags & flag:
            at += 1 + payload[at]
    return at


def _short(payload: bytes, at: int) -> str:
    """The short string at `at`."""
    start = at + 1
    return payload[start : start + payload[at]].decode(errors="replace")
