"""A light client of `GET /notifications/stream`: one asyncio protocol a stream, no task, no HTTP library.

Hundreds of them run in one process beside what they test. It knows HTTP/1.1 (chunked or not) and the event stream
format, and nothing of the service.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from typing import Self, cast
from urllib.parse import urlencode, urlsplit

from tests.support.event_stream import EventStreamParser, Message

WAIT_S = 10.0


class OpenStream(asyncio.Protocol):
    """One request and what comes back. `on_message` is called for each event as it arrives.

    `started` is done once status and headers are there, `ended` once the connection is over: its result is True when
    the response came to its proper end. An answer of another kind than an event stream is collected in `body`.
    """

    def __init__(self, request: bytes, *, last_event_id: str, on_message: Callable[[Message], None]) -> None:
        loop = asyncio.get_running_loop()
        self.status = 0
        self.headers: dict[str, list[str]] = {}
        self.body = b""
        self.raw = b""
        self.complete = False
        self.parser = EventStreamParser(last_event_id)
        self.started: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[bool] = loop.create_future()
        self._request = request
        self._on_message = on_message
        self._buffer = b""
        self._left = -1
        self._chunked = False
        self._transport: asyncio.Transport | None = None

    def header(self, name: str) -> str | None:
        """The only value of a header, or None."""
        values = self.headers.get(name.lower(), [])
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def drop(self) -> None:
        """Cut the connection without a word (RST), as a network does."""
        if self._transport:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection as a browser does when a tab is closed (FIN)."""
        if self._transport:
            self._transport.close()

    def pause(self) -> None:
        """Read nothing more: the kernel's buffers fill, then the service's write has to wait."""
        assert self._transport
        self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        assert self._transport
        self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.started.done():
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._buffer = rest
            self._read_head(head.decode("latin-1"))
        if self._chunked:
            self._read_chunks()
        elif self._buffer:
            self._take(self._buffer)
            self._buffer = b""

    def connection_lost(self, exc: Exception | None) -> None:
        complete = self.complete or (exc is None and self.started.done() and not self._chunked)
        if not self.started.done():
            self.started.set_exception(ConnectionError("closed before it answered"))
            self.started.exception()  # seen: who opened it may have given up
        if not self.ended.done():
            self.ended.set_result(complete)

    def _read_head(self, head: str) -> None:
        status, *lines = head.split("\r\n")
        self.status = int(status.split(" ", 2)[1])
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.setdefault(name.strip().lower(), []).append(value.strip())
        self._chunked = self.header("transfer-encoding") == "chunked"
        self._is_stream = (self.header("content-type") or "").startswith("text/event-stream")
        self.started.set_result(None)

    def _read_chunks(self) -> None:
        parts = []
        while not self.complete:
            if self._left < 0:
                size, end, rest = self._buffer.partition(b"\r\n")
                if not end:
                    break
                self._buffer, self._left = rest, int(size, 16)
                self.complete = self._left == 0
                continue
            if len(self._buffer) < self._left + 2:
                parts.append(self._buffer[: self._left])
                self._left -= len(parts[-1])
                self._buffer = self._buffer[len(parts[-1]) :]
                break
            parts.append(self._buffer[: self._left])
            self._buffer, self._left = self._buffer[self._left + 2 :], -1
        if parts:
            self._take(b"".join(parts))
        if self.complete and self._transport:
            self._transport.close()

    def _take(self, data: bytes) -> None:
        if not self._is_stream:
            self.body += data
            return
        self.raw += data[: 65_536 - len(self.raw)] if len(self.raw) < 65_536 else b""
        for message in self.parser.feed(data):
            self._on_message(message)


async def open_stream(
    url: str,
    *,
    on_message: Callable[[Message], None],
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    last_event_id: str = "",
    within_s: float = WAIT_S,
    prepare: Callable[[socket.socket], None] | None = None,
) -> OpenStream:
    """GET `url` as an EventSource does; returns once the answer began. OSError or TimeoutError when it does not.

    `last_event_id` is sent as the header. `headers` are sent as given, beside Host and Accept. `prepare` is given the
    socket before it connects.
    """
    parts = urlsplit(url)
    target = parts.path + ("?" + urlencode(params) if params else "")
    sent = {"Host": parts.netloc, "Accept": "text/event-stream", "Cache-Control": "no-cache"}
    if last_event_id:
        sent["Last-Event-ID"] = last_event_id
    sent |= dict(headers or {})
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    async with asyncio.timeout(within_s):
        stream = await _connect(
            lambda: OpenStream(request, last_event_id=last_event_id, on_message=on_message),
            parts.hostname or "",
            parts.port or 80,
            prepare,
        )
        try:
            await asyncio.shield(stream.started)
        except BaseException:
            stream.drop()
            raise
    return stream


async def _connect(
    protocol: Callable[[], OpenStream], host: str, port: int, prepare: Callable[[socket.socket], None] | None
) -> OpenStream:
    loop = asyncio.get_running_loop()
    if not prepare:
        return (await loop.create_connection(protocol, host, port))[1]
    sock = socket.socket()
    try:
        sock.setblocking(False)
        prepare(sock)
        await loop.sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    try:
        return (await loop.create_connection(protocol, sock=sock))[1]
    except BaseException:
        sock.detach()  # uvloop closed the descriptor: closing it again could cut another's connection
        raise


class Listening:
    """An open stream and what it has said so far, and when, for tests that look at each event."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.times: list[float] = []
        self._read = 0
        self._arrived = asyncio.Event()
        self.stream: OpenStream

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        last_event_id: str = "",
    ) -> "Listening":
        """Open the stream; returns once the answer began."""
        self = cls()
        self.stream = await open_stream(
            url, on_message=self._hear, params=params, headers=headers, last_event_id=last_event_id
        )
        self.stream.ended.add_done_callback(lambda _: self._arrived.set())
        return self

    def _hear(self, message: Message) -> None:
        self.messages.append(message)
        self.times.append(time.monotonic())
        self._arrived.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stream.drop()
        await self.stream.ended

    @property
    def cursor(self) -> str:
        """The last event id that a browser would hold now."""
        return self.stream.parser.last_event_id

    async def next(self, *, within_s: float = WAIT_S) -> Message:
        """The next event, whatever it is. EOFError when the stream ended instead."""
        async with asyncio.timeout(within_s):
            while self._read == len(self.messages):
                if self.stream.ended.done():
                    raise EOFError(f"the stream ended after {len(self.messages)} events")
                self._arrived.clear()
                await self._arrived.wait()
        self._read += 1
        return self.messages[self._read - 1]

    async def event(self, name: str, *, within_s: float = WAIT_S) -> Message:
        """The next event of that name; heartbeats before it are passed over, and nothing else is."""
        while (message := await self.next(within_s=within_s)).event == "heartbeat" != name:
            pass
        assert message.event == name, f"{message} in place of {name}"
        return message

    async def notification(self, *, within_s: float = WAIT_S) -> dict[str, object]:
        """The next notification's document; heartbeats before it are passed over, and nothing else is."""
        return (await self.event("message", within_s=within_s)).json()

    async def end(self, *, within_s: float = WAIT_S) -> bool:
        """Wait for the service to end the stream; True when it did so properly."""
        async with asyncio.timeout(within_s):
            return await asyncio.shield(self.stream.ended)
