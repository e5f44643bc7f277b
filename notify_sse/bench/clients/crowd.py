"""A process full of SSE clients: opens, drops and resumes them, and answers what they received.

Everything that costs time and is not the server's (making tokens, building requests) is done before it is measured.
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
from notify_sse.bench.clients.client import StreamClient, Tally
from notify_sse.bench.stamp import mark, recipient_name
from notify_sse.config import read_settings, variable
from notify_sse.errors import NoStream

IP_BIND_ADDRESS_NO_PORT: Final = 24
"""Linux, ip(7): choose the port at connect, so that one is free again for each source address."""
OPEN_TIMEOUT_S: Final = 60.0
CHURN_EVERY_S: Final = 0.02
ABORT: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER for 0 s: a cut, not a goodbye, and no port is kept waiting."""


class Where(msgspec.Struct, frozen=True):
    """The server that the clients call, and as whom. `path` may hold `{recipient}`."""

    host: str
    port: int
    path: str
    run: str
    sources: tuple[str, ...]
    secret: str = ""
    audience: str = "notify-sse"
    issuer: str | None = None
    ttl_s: float = 86_400.0


class Opened:
    """Connections as they were made: when each was live, and how long it took, in monotonic ns; and what failed."""

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


class Crowd:
    """The clients of one process: recipients `indices`, in that order."""

    def __init__(self, where: Where, indices: Sequence[int]) -> None:
        self.tally = Tally(mark(where.run))
        self.clients = [StreamClient(index, self.tally) for index in indices]
        self.opened = 0
        self._where = where
        self._heads = [self._head(recipient_name(where.run, index)) for index in indices]
        gc.collect()
        gc.freeze()
        gc.disable()

    def _head(self, recipient: str) -> bytes:
        where = self._where
        token = f"Authorization: Bearer {_token(where, recipient)}\r\n" if where.secret else ""
        return (
            f"GET {where.path.format(recipient=recipient)} HTTP/1.1\r\nHost: {where.host}:{where.port}\r\n"
            f"Accept: text/event-stream\r\nCache-Control: no-cache\r\n{token}"
        ).encode()

    async def open(self, places: Sequence[int], *, at_once: int, resume: bool, opened: Opened) -> None:
        """Open those clients, `at_once` in flight; note in `opened` when each was live, and why some are not."""
        waiting = iter(places)

        async def some() -> None:
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

        await asyncio.gather(*(some() for _ in range(at_once)))

    async def _open(self, place: int, *, resume: bool) -> "asyncio.Future[int]":
        client, where = self.clients[place], self._where
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        if where.sources:
            sock.bind((where.sources[place % len(where.sources)], 0))
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (where.host, where.port))
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
        """Cut the connections of those clients."""
        for place in places:
            self.clients[place].drop()

    def losses(self, numbers: Sequence[int], topic: int) -> int:
        """What did not come, when `numbers` were published per recipient and `topic` on the topic."""
        return sum(client.lost((numbers[client.index], topic)) for client in self.clients[: self.opened])


def _token(where: Where, recipient: str) -> str:
    environ = {variable("jwt_secret"): where.secret, variable("jwt_audience"): where.audience}
    if where.issuer:
        environ[variable("jwt_issuer")] = where.issuer
    return mint(read_settings(environ), recipient, ttl_s=where.ttl_s)


class Calls:
    """What the controller can call."""

    async def gather(self, *, where: dict[str, Any], indices: tuple[int, int, int]) -> int:
        """Make the clients; none is connected yet. `indices` are start, stop and step of a range."""
        self._crowd = Crowd(msgspec.convert(where, Where), range(*indices))
        return len(self._crowd.clients)

    async def open(self, *, count: int, at_once: int) -> dict[str, Any]:
        """Open the next `count` clients."""
        crowd = self._crowd
        places = range(crowd.opened, crowd.opened + count)
        crowd.opened += count
        opened = Opened()
        await crowd.open(places, at_once=at_once, resume=False, opened=opened)
        return opened.answer()

    async def drop(self) -> int:
        """Cut every connection; answers the monotonic time in ns."""
        now = time.monotonic_ns()
        self._crowd.drop(range(self._crowd.opened))
        return now

    async def resume(self, *, at_once: int) -> dict[str, Any]:
        """Open every client again, each with its cursor."""
        opened = Opened()
        await self._crowd.open(range(self._crowd.opened), at_once=at_once, resume=True, opened=opened)
        return opened.answer()

    async def churn(self, *, per_s: float, seconds: float) -> dict[str, Any]:
        """Drop and resume random clients at that rate."""
        crowd, choice = self._crowd, random.Random(0)  # noqa: S311 - which client is no secret
        start, done, opened = time.monotonic(), 0, Opened()
        while (now := time.monotonic()) < start + seconds:
            due = min(int((now - start) * per_s) - done, crowd.opened)
            done += due
            places = choice.sample(range(crowd.opened), due)
            crowd.drop(places)
            await crowd.open(places, at_once=max(1, due), resume=True, opened=opened)
            await asyncio.sleep(CHURN_EVERY_S)
        return opened.answer()

    async def status(self) -> dict[str, int]:
        """How far it is."""
        tally = self._crowd.tally
        return {"live": tally.live, "received": len(tally.due_ns), "cut": tally.cut}

    async def clear(self) -> None:
        """Forget the samples so far."""
        self._crowd.tally.clear()

    async def tally(self, *, numbers: bytes, topic: int) -> dict[str, Any]:
        """The samples, and what went wrong, when that many were published."""
        tally = self._crowd.tally
        return {
            "due_ns": tally.due_ns.tobytes(),
            "delay_ns": tally.delay_ns.tobytes(),
            "lost": self._crowd.losses(array("I", numbers), topic),
            "repeats": tally.repeats,
            "disorders": tally.disorders,
            "cut": tally.cut,
            "resets": tally.resets,
        }


def handlers() -> dict[str, Callable[..., Awaitable[Any]]]:
    """For `worker`."""
    calls = Calls()
    names = ("gather", "open", "drop", "resume", "churn", "status", "clear", "tally")
    return {name: getattr(calls, name) for name in names}
