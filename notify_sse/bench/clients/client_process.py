"""A client process: holds some thousands of SSE clients, opens, drops and resumes them, and reports what they received.

What takes time and is not the server's (making tokens, building requests) is done before the measuring begins.
"""

import asyncio
import gc
import random
import socket
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from notify_sse.auth import mint
from notify_sse.bench.clients.stream_client import StreamClient, Tally
from notify_sse.bench.clients.websocket_client import HANDSHAKE, WebSocketClient
from notify_sse.bench.stamp import mark, recipient_name
from notify_sse.config import read_settings, variable
from notify_sse.errors import NoStream

IP_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux, ip(7): choose the port at connect, so that one is free again for each source address."""
OPEN_TIMEOUT_S: Final = 60.0
CHURN_EVERY_S: Final = 0.02
ABORT: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER for 0 s: a cut, not a goodbye, and no port is kept waiting."""


class Endpoint(msgspec.Struct, frozen=True):
    """The server that the clients connect to, and how their tokens are made.

    `path` may hold `{recipient}`; it names the `topics` that the tokens allow.
    """

    host: str
    port: int
    path: str
    run: str
    sources: tuple[str, ...]
    secret: str = ""
    audience: str = "notify-sse"
    issuer: str | None = None
    websocket: bool = False
    topics: tuple[str, ...] = ()
    ttl_s: float = 86_400.0


class Opened:
    """The connects of one call: when each stream was live and how long it took (monotonic ns), and which failed."""

    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.live_ns = array("q")
        self.took_ns = array("q")
        self.failures = Counter[str]()

    def answer(self) -> dict[str, Any]:
        """For the controller."""
        return {
            "started_ns": self.started_ns,
            "live_ns": self.live_ns.tobytes(),
            "took_ns": self.took_ns.tobytes(),
            "failures": dict(self.failures),
        }


class Clients:
    """The clients of one process, one for each recipient in `indices`."""

    def __init__(self, endpoint: Endpoint, indices: Sequence[int]) -> None:
        self.tally = Tally(mark(endpoint.run))
        kind = WebSocketClient if endpoint.websocket else StreamClient
        self.clients: list[StreamClient] = [kind(index, self.tally) for index in indices]
        self.opened = 0
        self._endpoint = endpoint
        self._heads = [self._head(recipient_name(endpoint.run, index)) for index in indices]
        gc.collect()
        gc.freeze()
        gc.disable()

    def _head(self, recipient: str) -> bytes:
        endpoint = self._endpoint
        token = f"Authorization: Bearer {_token(endpoint, recipient)}\r\n" if endpoint.secret else ""
        head = f"GET {endpoint.path.format(recipient=recipient)} HTTP/1.1\r\nHost: {endpoint.host}:{endpoint.port}\r\n"
        wish = HANDSHAKE if endpoint.websocket else b"Accept: text/event-stream\r\nCache-Control: no-cache\r\n"
        return head.encode() + wish + token.encode()

    async def open(self, places: Sequence[int], *, at_once: int, resume: bool, opened: Opened) -> None:
        """Open these clients, `at_once` in flight; `opened` gets when each was live, and why some are not."""
        waiting = iter(places)

        async def open_in_turn() -> None:
            for place in waiting:
                begun_ns = time.monotonic_ns()
                try:
                    async with asyncio.timeout(OPEN_TIMEOUT_S):
                        live_ns = await (await self._open(place, resume=resume))
                except (OSError, NoStream) as exc:
                    opened.failures[f"{type(exc).__name__}: {exc}"] += 1
                    self.clients[place].drop()
                else:
                    opened.live_ns.append(live_ns)
                    opened.took_ns.append(live_ns - begun_ns)

        await asyncio.gather(*(open_in_turn() for _ in range(at_once)))

    async def _open(self, place: int, *, resume: bool) -> "asyncio.Future[int]":
        client, endpoint = self.clients[place], self._endpoint
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        if endpoint.sources:
            sock.bind((endpoint.sources[place % len(endpoint.sources)], 0))
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (endpoint.host, endpoint.port))
        except BaseException:
            sock.close()
            raise
        try:
            transport, _ = await loop.create_connection(lambda: client, sock=sock)
        except BaseException:
            sock.detach()  # uvloop closed the descriptor: closing it again could cut another stream
            raise
        resuming = b"Last-Event-ID: %b\r\n" % client.cursor if resume and client.last else b""
        return client.open(transport, self._heads[place] + resuming + b"\r\n")

    def drop(self, places: Sequence[int]) -> None:
        """Cut the connections of these clients."""
        for place in places:
            self.clients[place].drop()

    def losses(self, numbers: Sequence[int], topic: int) -> int:
        """How many notifications are missing. `numbers`: published for each recipient; `topic`: on the topic."""
        return sum(client.lost((numbers[client.index], topic)) for client in self.clients[: self.opened])


def _token(endpoint: Endpoint, recipient: str) -> str:
    environ = {variable("jwt_secret"): endpoint.secret, variable("jwt_audience"): endpoint.audience}
    if endpoint.issuer:
        environ[variable("jwt_issuer")] = endpoint.issuer
    return mint(read_settings(environ), recipient, topics=endpoint.topics, ttl_s=endpoint.ttl_s)


class ClientCalls:
    """The calls that the controller makes."""

    async def make(self, *, endpoint: dict[str, Any], indices: tuple[int, int, int]) -> int:
        """Make the clients; none is connected yet. `indices` are start, stop and step of a range."""
        self._clients = Clients(msgspec.convert(endpoint, Endpoint), range(*indices))
        return len(self._clients.clients)

    async def open(self, *, count: int, at_once: int) -> dict[str, Any]:
        """Open the next `count` clients."""
        clients = self._clients
        places = range(clients.opened, clients.opened + count)
        clients.opened += count
        opened = Opened()
        await clients.open(places, at_once=at_once, resume=False, opened=opened)
        return opened.answer()

    async def drop(self) -> int:
        """Cut every connection; answers the monotonic time in ns."""
        now = time.monotonic_ns()
        self._clients.drop(range(self._clients.opened))
        return now

    async def resume(self, *, at_once: int) -> dict[str, Any]:
        """Open every client again, each with its cursor."""
        opened = Opened()
        await self._clients.open(range(self._clients.opened), at_once=at_once, resume=True, opened=opened)
        return opened.answer()

    async def churn(self, *, per_s: float, seconds: float) -> dict[str, Any]:
        """Drop and resume random clients at that rate."""
        clients, choice = self._clients, random.Random(0)  # noqa: S311 - which client is no secret
        start, done, opened = time.monotonic(), 0, Opened()
        while (now := time.monotonic()) < start + seconds:
            due = min(int((now - start) * per_s) - done, clients.opened)
            done += due
            places = choice.sample(range(clients.opened), due)
            clients.drop(places)
            await clients.open(places, at_once=max(1, due), resume=True, opened=opened)
            await asyncio.sleep(CHURN_EVERY_S)
        return opened.answer()

    async def status(self) -> dict[str, int]:
        """How many streams are live, how much they received, how many were cut."""
        tally = self._clients.tally
        return {"live": tally.live, "received": len(tally.due_ns), "cut": tally.cut}

    async def clear(self) -> None:
        """Forget the samples so far."""
        self._clients.tally.clear()

    async def tally(self, *, numbers: bytes, topic: int) -> dict[str, Any]:
        """The samples, and what went wrong, when that many were published."""
        tally = self._clients.tally
        return {
            "due_ns": tally.due_ns.tobytes(),
            "delay_ns": tally.delay_ns.tobytes(),
            "lost": self._clients.losses(array("I", numbers), topic),
            "repeats": tally.repeats,
            "disorders": tally.disorders,
            "cut": tally.cut,
            "resets": tally.resets,
        }


def handlers() -> dict[str, Callable[..., Awaitable[Any]]]:
    """The calls by name, for `worker`."""
    calls = ClientCalls()
    names = ("make", "open", "drop", "resume", "churn", "status", "clear", "tally")
    return {name: getattr(calls, name) for name in names}
