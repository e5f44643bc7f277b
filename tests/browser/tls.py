"""The service under several names of the web, over TLS. What a browser sends to it is written down, and goes on."""

import asyncio
import contextlib
import ssl
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from tests.support.certificate import CERTIFICATE, KEY, write_certificate

PUSH = "push.example.test"
SIBLING = "app.example.test"
FOREIGN = "app.elsewhere.test"
PAGE = b"<!doctype html><meta charset=utf-8><title>a page</title>"
OURS = "/test/page.html"
HEAD_END = b"\r\n\r\n"


class Sent(msgspec.Struct, frozen=True):
    """The head of one request, as the browser sent it. Names of headers are in lower case."""

    target: str
    headers: dict[str, str]


class Web:
    """`push` is the service, on a port of its own, and `ours` an empty page there; any other name is an empty page on
    the other port.
    """

    def __init__(self, service_port: int) -> None:
        self.sent: list[Sent] = []
        self.push_port = self.page_port = 0
        self._service_port = service_port
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @property
    def push(self) -> str:
        return f"https://{PUSH}:{self.push_port}"

    @property
    def ours(self) -> str:
        return f"{self.push}{OURS}"

    def page(self, host: str) -> str:
        """The URL of an empty page of `host`."""
        return f"https://{host}:{self.page_port}/"

    def taken(self) -> dict[str, list[Sent]]:
        """What was sent since the last call, by path."""
        found: dict[str, list[Sent]] = defaultdict(list)
        for one in self.sent:
            found[one.target.partition("?")[0]].append(one)
        self.sent.clear()
        return found

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the service: one request, answered for as long as it takes."""
        with self._kept(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(HEAD_END)
            if head.startswith(f"GET {OURS} ".encode()):
                await _show(writer)
                return
            line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
            self.sent.append(Sent(line.split(" ")[1], headers))
            from_service, to_service = await asyncio.open_connection("127.0.0.1", self._service_port)
            with self._kept(to_service):
                to_service.write(head if "upgrade" in headers else _once(line, lines))
                asking = asyncio.create_task(_pipe(reader, to_service))
                await _pipe(from_service, writer)
                asking.cancel()
                await asyncio.wait([asking])

    async def show(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One empty page."""
        with self._kept(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(HEAD_END)
            await _show(writer)

    async def end(self) -> None:
        """Cut every connection, and wait until nobody serves one any more. (asyncio reports a cancelled handler.)"""
        while self._serving:
            for writer in self._serving:
                writer.transport.abort()
            await asyncio.wait(self._serving.values())

    @contextlib.contextmanager
    def _kept(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        """What was written is sent, then `writer` is closed."""
        task = asyncio.current_task()
        assert task
        self._serving[writer] = task
        try:
            yield
        finally:
            writer.close()
            del self._serving[writer]


@contextlib.asynccontextmanager
async def web(service_port: int) -> AsyncIterator[Web]:
    """The names above, with a certificate that nobody trusts."""
    made = Web(service_port)
    with tempfile.TemporaryDirectory() as directory:
        write_certificate(Path(directory))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(Path(directory) / CERTIFICATE, Path(directory) / KEY)
        carrying = await asyncio.start_server(made.carry, "127.0.0.1", 0, ssl=context)
        showing = await asyncio.start_server(made.show, "127.0.0.1", 0, ssl=context)
        made.push_port = carrying.sockets[0].getsockname()[1]
        made.page_port = showing.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            carrying.close()
            showing.close()
            await made.end()


async def _show(writer: asyncio.StreamWriter) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(PAGE)}\r\nConnection: close"
    writer.write(head.encode() + HEAD_END + PAGE)
    await writer.drain()


def _once(line: str, lines: list[str]) -> bytes:
    """The head of a request that is the only one of its connection, so that none goes by unseen."""
    kept = [one for one in lines if not one.lower().startswith("connection:")]
    return "\r\n".join([line, *kept, "Connection: close"]).encode("latin-1") + HEAD_END


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
