"""The socket under an AMQP connection, and a tap that takes deliveries off it before aiormq decodes them.

A delivery is three or more AMQP frames: a method (basic.deliver), a content header, and body frames. aiormq decodes
every property in the header and starts a task for each message. That is slow, and the order of the tasks is the event
loop's. A property that Python cannot hold (a timestamp in the year 300,000, a string that is not UTF-8) even ends the
connection: RabbitMQ would deliver that message again, and break the connection again, for ever.

So the tap takes the frames of deliveries on chosen channels, and reads only the fields that we use. All other frames go
to aiormq. This module decides nothing.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from notify_sse.broker.rabbitmq.trace_headers import context_in_table
from notify_sse.core.model import TraceContext

UNANSWERED_S: Final = 10.0
"""The peer's kernel must acknowledge what we sent (heartbeats too) within this time (TCP_USER_TIMEOUT)."""

READ_BYTES: Final = 262_144
HEARTBEAT_EVERY_S: Final = 1.0

METHOD, HEADER, BODY = 1, 2, 3
PROTOCOL_HEADER: Final = ord("A")
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
DELIVER: Final = b"\x00\x3c\x00\x3c"
FRAME_HEAD: Final = struct.Struct(">BHI")
"""Of an AMQP frame: kind, channel number, size of the payload. After the payload comes one end byte."""
TAG: Final = struct.Struct(">QB")
CONTENT: Final = struct.Struct(">xxxxQH")
FLAGS: Final = struct.Struct(">H")
LONG: Final = struct.Struct(">I")
LONG_LONG: Final = struct.Struct(">Q")
MORE_FLAGS: Final = 1
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
CORRELATION_ID, REPLY_TO, EXPIRATION, MESSAGE_ID, TIMESTAMP = 1 << 10, 1 << 9, 1 << 8, 1 << 7, 1 << 6


class Received(msgspec.Struct, gc=False):
    """The fields that we use of one delivered message. Bytes that are not UTF-8 become U+FFFD."""

    tag: int
    redelivered: bool
    routing_key: str
    content_type: str = ""
    content_encoding: str = ""
    message_id: str = ""
    timestamp: int = 0
    trace: TraceContext | None = None
    body: bytes = b""
    body_bytes: int = 0
    dropped: bool = False
    """The body was not kept: there was no room for `body_bytes` of it."""


class Wire(TransportFactory):
    """Opens the socket for aiormq, and gives access to it for what aiormq does not offer."""

    def __init__(self) -> None:
        self._reader: AmqpFrameReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, self._writer = await factory.create(url, **options)
        self._reader = AmqpFrameReader(reader)
        sock = self._writer.get_extra_info("socket")
        with suppress(OSError, AttributeError, ValueError):  # it may be lost already: its reader finds out
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNANSWERED_S * 1000))
        return self._reader, self._writer

    @property
    def silent_s(self) -> float:
        """Seconds since the last bytes came in."""
        return time.monotonic() - self._reader.last_read_at if self._reader else 0.0

    @property
    def unsent_bytes(self) -> int:
        """How many written bytes the socket has not taken yet."""
        return self._writer.transport.get_write_buffer_size() if self._writer else 0

    def abort(self) -> None:
        """Drop the connection, without AMQP's closing handshake."""
        if self._writer is not None:
            self._writer.transport.abort()

    def write(self, frames: bytes) -> None:
        """Write whole frames, between those of aiormq. No effect on a socket that is gone: its loss is told apart."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frames)

    async def drain(self) -> None:
        """Wait until the socket takes more. Raises OSError when it is gone."""
        if self._writer is not None:
            await self._writer.drain()

    def tap(self, channel_number: int, tap: "FrameTap") -> None:
        """From now on, frames on that channel are offered to `tap`, in order, before aiormq."""
        assert self._reader is not None
        self._reader.taps[channel_number] = tap


class FrameTap(Protocol):
    """Takes frames of one channel off the socket. It is called while the socket is read, so it must not block. An
    exception from it ends the connection.
    """

    def take(self, kind: int, payload: bytes) -> bool:
        """Take the frame, or return False to leave it to aiormq."""


class AmqpFrameReader(asyncio.StreamReader):
    """The stream that aiormq reads: all AMQP frames that came in, without those that a tap took."""

    def __init__(self, source: asyncio.StreamReader) -> None:
        super().__init__()
        self.taps: dict[int, FrameTap] = {}
        self.last_read_at = time.monotonic()
        self._source = source
        self._received = bytearray()
        self._for_aiormq = bytearray()
        self._heartbeat_at = 0.0

    def at_eof(self) -> bool:
        return self._source.at_eof() and not self._for_aiormq

    async def readexactly(self, n: int) -> bytes:
        while len(self._for_aiormq) < n:
            chunk = await self._source.read(READ_BYTES)
            if not chunk:
                raise asyncio.IncompleteReadError(bytes(self._for_aiormq), n)
            self.last_read_at = time.monotonic()
            self._received += chunk
            self._sort_frames()
        wanted = bytes(self._for_aiormq[:n])
        del self._for_aiormq[:n]
        return wanted

    def _sort_frames(self) -> None:
        """Give every complete frame to the tap of its channel, or to aiormq."""
        with memoryview(self._received) as received:
            complete = self._sort_complete_frames(received)
        del self._received[:complete]

    def _sort_complete_frames(self, received: memoryview) -> int:
        """Returns where the first frame begins that is not complete."""
        start, end = 0, len(received)
        # Not a frame: the broker wants another protocol version, and closes. aiormq reports it.
        if received[0] == PROTOCOL_HEADER:
            self._for_aiormq += received
            start = end
        while end - start > FRAME_HEAD.size:
            kind, channel, size = FRAME_HEAD.unpack_from(received, start)
            after = start + FRAME_HEAD.size + size + 1
            # A read may end within a frame: the rest of it comes with the next read.
            if after > end:
                break
            # A tap refuses what is no delivery, such as the answer to basic.consume on the same channel.
            tap = self.taps.get(channel)
            if tap is not None and tap.take(kind, bytes(received[start + FRAME_HEAD.size : after - 1])):
                self._pass_heartbeat()
            else:
                self._for_aiormq += received[start:after]
            start = after
        return start

    def _pass_heartbeat(self) -> None:
        """Give aiormq a heartbeat: a broker that delivers without pause sends none, and aiormq would find it silent."""
        now = time.monotonic()
        if now > self._heartbeat_at + HEARTBEAT_EVERY_S:
            self._heartbeat_at = now
            self._for_aiormq += HEARTBEAT_FRAME


class DeliveryTap:
    """Puts the deliveries of one channel together from their frames, and gives each to `on_message`.

    `has_room` is asked with the size of each body before the first byte of it comes; a body without room is read and
    thrown away (`Received.dropped`). With `traces` the trace's headers are read too.
    """

    def __init__(
        self, on_message: Callable[[Received], None], *, has_room: Callable[[int], bool], traces: bool = False
    ) -> None:
        self._traces = traces
        self._on_message = on_message
        self._has_room = has_room
        self._message: Received | None = None
        self._body: list[bytes] = []
        self._missing = 0

    def take(self, kind: int, payload: bytes) -> bool:
        """Take a frame if it is part of a delivery; returns whether it was."""
        if kind == METHOD:
            if not payload.startswith(DELIVER):
                return False
            self._message = _deliver(payload)
            return True
        if self._message is None:
            return False
        if kind == HEADER:
            self._missing = self._message.body_bytes = _read_header(payload, self._message, traces=self._traces)
            self._message.dropped = not self._has_room(self._missing)
        elif kind == BODY:
            if not self._message.dropped:
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
    """Read basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key."""
    at = 5 + payload[4]
    tag, redelivered = TAG.unpack_from(payload, at)
    at += TAG.size
    at += 1 + payload[at]
    return Received(tag=tag, redelivered=bool(redelivered & 1), routing_key=_short(payload, at))


def _read_header(payload: bytes, message: Received, *, traces: bool) -> int:
    """Read the content header: fills in the fields that we use; returns the size of the body in bytes."""
    size, flags = CONTENT.unpack_from(payload)
    at, more = CONTENT.size, flags
    while more & MORE_FLAGS:
        (more,) = FLAGS.unpack_from(payload, at)
        at += FLAGS.size
    if flags & CONTENT_TYPE:
        message.content_type = _short(payload, at)
        at += 1 + payload[at]
    if flags & CONTENT_ENCODING:
        message.content_encoding = _short(payload, at)
        at += 1 + payload[at]
    if traces and flags & HEADERS:
        message.trace = context_in_table(payload, at)
    if flags & (MESSAGE_ID | TIMESTAMP):
        at = _skip_to_message_id(payload, at, flags)
    if flags & MESSAGE_ID:
        message.message_id = _short(payload, at)
        at += 1 + payload[at]
    if flags & TIMESTAMP:
        (message.timestamp,) = LONG_LONG.unpack_from(payload, at)
    return int(size)


def _skip_to_message_id(payload: bytes, at: int, flags: int) -> int:
    """Where the message id starts: after all properties that are set between content encoding and message id."""
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
