"""A reverse proxy that misbehaves when told to, and serves the pages of these tests on the same origin.

Each request gets a connection of its own, so that `live` and `requests` count what the browser really opened.
"""

import asyncio
import contextlib
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

HEAD_LIMIT = 65_536
Mint = Callable[[str, float], str]


@dataclass(eq=False)
class Exchange:
    """One request: what it asks for, when it came (loop time), its two transports, and whether the service's answer
    has begun."""

    target: str
    head: bytes
    at_s: float
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    is_answered: bool = False

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


class Proxy:
    """`http://127.0.0.1:<port>` in front of `upstream_port`. Use as an async context manager.

    `refuse`: path → status to answer instead of passing it on; `""` stands for every path but the pages'.
    `swallow`: paths that are never answered. `buffer`: paths whose answers are passed on once they are whole, as by
    proxies that were not told otherwise. `down`: every connection is reset before it is heard.
    `transparent`: where the service is away, connections are reset, as without a proxy; else it answers 502.
    Between `stall()` and `flow()` nothing comes from the service, and nothing is closed.
    """

    def __init__(self, upstream_port: int, *, pages: dict[str, Path], mint: Mint) -> None:
        self.upstream_port = upstream_port
        self.refuse: dict[str, int] = {}
        self.swallow: set[str] = set()
        self.buffer: set[str] = set()
        self.down = False
        self.transparent = False
        self.requests: list[Exchange] = []
        self.live: set[Exchange] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pages = pages
        self._mint = mint
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def stall(self) -> None:
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    def cut(self, path: str = "") -> int:
        """Reset every connection below `path`; how many there were."""
        hit = [exchange for exchange in self.live if exchange.path.startswith(path)]
        for exchange in hit:
            for writer in exchange.writers:
                writer.transport.abort()
        return len(hit)

    def count_live(self, path: str) -> int:
        return sum(exchange.path == path for exchange in self.live)

    def count(self, path: str) -> int:
        return sum(exchange.path == path for exchange in self.requests)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._exchange(reader, writer)
        writer.transport.abort() if self.down else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            return
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        exchange = Exchange(target, head, asyncio.get_running_loop().time(), [writer])
        self.requests.append(exchange)
        if own := self._own(exchange):
            await _answer(writer, *own)
        elif status := self.refuse.get(exchange.path, self.refuse.get("", 0)):
            await _answer(writer, status, "text/html", b"<h1>The proxy says no</h1>")
        elif exchange.path in self.swallow:
            await reader.read()
        else:
            self.live.add(exchange)
            try:
                await self._pass_on(exchange, method, reader, writer)
            finally:
                self.live.discard(exchange)

    def _own(self, exchange: Exchange) -> tuple[int, str, bytes] | None:
        """The pages of the tests, and tokens for them."""
        if exchange.path == "/test/token":
            query = parse_qs(urlsplit(exchange.target).query)
            return 200, "text/plain", self._mint(query["sub"][0], float(query.get("ttl", ["240"])[0])).encode()
        if page := self._pages.get(exchange.path):
            return 200, mimetypes.guess_type(page.name)[0] or "text/plain", page.read_bytes()
        return None

    async def _pass_on(
        self, exchange: Exchange, method: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            upstream, onward = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            if self.transparent:
                writer.transport.abort()
            else:
                await _answer(writer, 502, "text/html", b"<h1>Bad gateway</h1>")
            return
        exchange.writers.append(onward)
        try:
            onward.write(exchange.head if b"pgrade: " in exchange.head else _closing(exchange.head))
            pipe = self._hold if exchange.path in self.buffer else self._pipe
            back = asyncio.create_task(pipe(upstream, writer, exchange=exchange))
            forth = asyncio.create_task(self._pipe(reader, onward))
            await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
            if forth.done() and method == "POST":
                await back
            for task in (back, forth):
                task.cancel()
            await asyncio.gather(back, forth, return_exceptions=True)
        finally:
            onward.transport.abort()

    async def _pipe(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, exchange: Exchange | None = None
    ) -> None:
        """With `exchange`: its answer, on its way back."""
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if exchange:
                    await self._flowing.wait()
                    exchange.is_answered = True
                sink.write(data)
                await sink.drain()

    async def _hold(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, exchange: Exchange) -> None:
        """Passes on what comes once all of it has come."""
        with contextlib.suppress(OSError):
            whole = await source.read()
            await self._flowing.wait()
            exchange.is_answered = True
            sink.write(whole)
            await sink.drain()


def _closing(head: bytes) -> bytes:
    """The request's head, asking for a connection that ends with the answer."""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])


async def _answer(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Cache-Control: no-cache\r\nConnection: close\r\n\r\n" + body)
    await writer.drain()
