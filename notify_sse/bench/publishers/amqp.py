"""An AMQP connection that only publishes, for load: one channel, confirms, and it decodes only what it needs.

pamqp (aiormq's own codec) makes the frames of the handshake; publishes and confirms are packed and read by hand, since
a publish through aiormq costs as much as the service spends on a notification, and would be measured with it.
"""

import asyncio
import struct
import time
from array import array
from collections.abc import Sequence
from typing import Any, Final, Self, cast
from urllib.parse import unquote, urlsplit

from pamqp import commands, frame, header

from notify_sse.bench.publishers.sender import MAX_IN_FLIGHT, Outbound
from notify_sse.errors import SendFailed

HEAD: Final = struct.Struct(">BHI")
METHOD: Final = struct.Struct(">HH")
ACK: Final = struct.Struct(">QB")
PUBLISH: Final = struct.pack(">HHH", 60, 40, 0)
PROPERTIES: Final = struct.pack(">H", 0x9000) + b"\x10application/json" + b"\x02"
"""Content type, and delivery mode 2: persistent."""
CONTENT: Final = struct.Struct(">HHQ")
END: Final = b"\xce"
MANDATORY: Final = b"\x01"
BASIC_ACK, BASIC_NACK, BASIC_RETURN = (60, 80), (60, 120), (60, 50)
CONNECTION_CLOSE, CHANNEL_CLOSE = (10, 50), (20, 40)
CHANNEL: Final = 1
PORTS: Final = {"amqp": 5672, "amqps": 5671}


class AmqpSender(asyncio.Protocol):
    """Publishes to `exchange` and counts the confirms."""

    def __init__(self, exchange: str) -> None:
        self.sent = self.confirmed = self.failed = 0
        self.confirm_ns = array("q")
        self._exchange = _short(exchange)
        self._buffer = bytearray()
        self._waiting: dict[int, int] = {}
        self._room = asyncio.Event()
        self._writable = True
        self._methods: asyncio.Queue[Any] = asyncio.Queue()
        self._lost: Exception | None = None

    @classmethod
    async def connect(cls, url: str, *, exchange: str) -> Self:
        """Connect to `url` and open a channel with confirms."""
        parts = urlsplit(url)
        loop, tls = asyncio.get_running_loop(), parts.scheme == "amqps" or None
        _, sender = await loop.create_connection(
            lambda: cls(exchange), parts.hostname or "127.0.0.1", parts.port or PORTS[parts.scheme], ssl=tls
        )
        await sender.log_in(parts.username or "guest", parts.password or "guest", unquote(parts.path[1:]) or "/")
        return sender

    async def log_in(self, user: str, password: str, vhost: str) -> None:
        """Log in and open the channel."""
        self._transport.write(frame.marshal(header.ProtocolHeader(), 0))
        await self._answer()
        self._send_method(commands.Connection.StartOk({}, "PLAIN", f"\0{user}\0{password}"), 0)
        tune = await self._answer()
        self._send_method(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0)
        self._send_method(commands.Connection.Open(vhost), 0)
        await self._answer()
        self._send_method(commands.Channel.Open(), CHANNEL)
        await self._answer()
        self._send_method(commands.Confirm.Select(), CHANNEL)
        await self._answer()

    def _send_method(self, command: Any, channel: int) -> None:
        self._transport.write(frame.marshal(command, channel))

    async def _answer(self) -> Any:
        answer = await self._methods.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send(self, messages: Sequence[Outbound]) -> None:
        """Publish them, in order, in one write."""
        parts: list[bytes] = []
        now = time.monotonic_ns()
        for message in messages:
            method = PUBLISH + self._exchange + _short(message.routing_key) + MANDATORY
            content = CONTENT.pack(60, 0, len(message.body)) + PROPERTIES
            for kind, payload in ((1, method), (2, content), (3, message.body)):
                parts += (HEAD.pack(kind, CHANNEL, len(payload)), payload, END)
            self.sent += 1
            self._waiting[self.sent] = now
        self._transport.write(b"".join(parts))

    async def room(self) -> None:
        """Wait until the socket takes more and not too many await their confirm."""
        while not self._has_room():
            self._room.clear()
            await self._room.wait()
        if self._lost:
            raise self._lost

    def _has_room(self) -> bool:
        return bool(self._lost) or (self._writable and len(self._waiting) < MAX_IN_FLIGHT)

    async def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._writable = False

    def resume_writing(self) -> None:
        """It takes more."""
        self._writable = True
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for an answer or for room."""
        self._lost = self._lost or exc or SendFailed("the broker closed the connection")
        self._methods.put_nowait(self._lost)
        self._room.set()

    def data_received(self, data: bytes) -> None:
        """Read the confirms; the rest matters only during the handshake."""
        received = self._buffer
        received += data
        start, end, now = 0, len(received), time.monotonic_ns()
        while end - start > HEAD.size:
            kind, _, size = HEAD.unpack_from(received, start)
            after = start + HEAD.size + size + 1
            if after > end:
                break
            if kind == 1:
                self._method(bytes(received[start:after]), now)
            start = after
        del received[:start]
        if self._has_room():
            self._room.set()

    def _method(self, raw: bytes, now: int) -> None:
        method = METHOD.unpack_from(raw, HEAD.size)
        if method in {BASIC_ACK, BASIC_NACK}:
            self._confirm(*ACK.unpack_from(raw, HEAD.size + METHOD.size), good=method == BASIC_ACK, now=now)
        elif method == BASIC_RETURN:
            self.failed += 1
        elif method in {CONNECTION_CLOSE, CHANNEL_CLOSE}:
            self._lost = SendFailed(f"the broker refused it: {frame.unmarshal(raw)[2]}")
            self._transport.abort()
        else:
            self._methods.put_nowait(frame.unmarshal(raw)[2])

    def _confirm(self, tag: int, multiple: int, *, good: bool, now: int) -> None:
        """The broker confirmed `tag`, or all up to it. It may confirm 3, and later all up to 4: each counts once."""
        waiting = self._waiting
        before = len(waiting)
        if multiple & 1:
            while waiting and (first := next(iter(waiting))) <= tag:
                self.confirm_ns.append(now - waiting.pop(first))
        elif tag in waiting:
            self.confirm_ns.append(now - waiting.pop(tag))
        done = before - len(waiting)
        self.confirmed += done
        self.failed += 0 if good else done


def _short(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data
