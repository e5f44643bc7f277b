"""deploy/Caddyfile: Caddy lives on when it is reloaded while it connects to a gateway.

With `flush_interval -1` Caddy 2.6 gives a request to a gateway a context of its own, which ends at a reload without an
error. Go panics when that happens while the connection is being made, and every stream of Caddy ends with it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.proxies import Caddy
from tests.deploy.restarts import STREAM
from tests.support.failures import show_log
from tests.support.polling import becomes_true, eventually
from tests.support.services import ensure, free_port

RELOADS = 3
CLIENTS = 8
"""More than the checks of health that hang at a time."""
CONNECTING = "02"
"""As in /proc/net/tcp: the first packet was sent, and not answered."""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Gateway:
    """Answers 200 to whatever it is asked; between `hang` and `wake` nobody gets as far as a connection to it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answered = 0
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self._listener.setblocking(False)
        self._waiting: list[socket.socket] = []
        self._answering = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            with connection, contextlib.suppress(OSError):
                await loop.sock_recv(connection, 65536)
                await loop.sock_sendall(connection, OK)
                self.answered += 1

    def hang(self) -> None:
        """Accept nothing, and fill the backlog: the kernel leaves further first packets unanswered."""
        self._answering.cancel()
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", self.port))
            self._waiting.append(one)

    def wake(self) -> None:
        while self._waiting:
            self._waiting.pop().close()
        self._answering = asyncio.create_task(self._answer())

    def connecting(self) -> int:
        """How many others wait for a connection to it."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {f"0100007F:{one.getsockname()[1]:04X}" for one in self._waiting}
        there = f"0100007F:{self.port:04X}"
        return sum(row[2] == there and row[3] == CONNECTING and row[1] not in ours for row in rows)

    def close(self) -> None:
        self._answering.cancel()
        self._listener.close()
        while self._waiting:
            self._waiting.pop().close()


@contextlib.contextmanager
def _caddy(request: pytest.FixtureRequest, directory: Path, port: int) -> Iterator[Caddy]:
    ensure("caddy")
    proxy = Caddy(directory, [port])
    try:
        proxy.start()
        show_log(request, proxy.output)
        yield proxy
    finally:
        proxy.stop()


@contextlib.asynccontextmanager
async def _asking(proxy: Caddy) -> AsyncIterator[None]:
    """Clients that ask for streams meanwhile."""

    async def ask() -> None:
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=proxy.url, verify=False, timeout=30) as http:
                await http.get(STREAM)

    clients = [asyncio.create_task(ask()) for _ in range(CLIENTS)]
    try:
        yield
    finally:
        await asyncio.gather(*clients)


async def test_caddy_outlives_a_reload_while_it_connects_to_a_gateway(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    gateway = Gateway()
    with contextlib.closing(gateway), _caddy(request, tmp_path / "caddy", gateway.port) as proxy:
        async with httpx.AsyncClient(base_url=proxy.url, verify=False, timeout=30) as http:

            async def answers() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return not (await http.get("/notifications/history")).is_error
                return False

            async def reloaded() -> bool:
                """False when Caddy did not try to connect: a check of the last time may have found it hanging."""
                await eventually(answers, what="Caddy, and the gateway behind it", within_s=60, every_s=0.1)
                gateway.hang()
                async with _asking(proxy):
                    if connects := await becomes_true(lambda: gateway.connecting() >= CLIENTS, within_s=4):
                        await asyncio.to_thread(proxy.reload)
                assert proxy.process.alive
                gateway.wake()
                return connects

            for _ in range(RELOADS):
                await eventually(reloaded, what="a reload while Caddy connects", within_s=60)
            await eventually(answers, what="Caddy, and the gateway behind it", within_s=60, every_s=0.1)
