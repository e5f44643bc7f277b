"""Publishing over HTTP for load: a few kept-alive connections, requests written and answers counted by hand.

Either arrays to one address, one request in flight on each connection, as a careful client of `POST /notifications`
does; or a request for each notification, pipelined, for hubs that take nothing else.
"""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final, Self, cast

from notify_sse.bench.publishers.outlet import MAX_IN_FLIGHT, Outbound
from notify_sse.errors import Unsent

CONNECTIONS: Final = 4
MOST_PIPELINED: Final = 64


class HttpOutlet:
    """Publishes to `path` (which may hold `{recipient}` when `batch` is 1) over several connections."""

    def __init__(self, *, host: str, port: int, path: str, token: str, batch: int) -> None:
        self.sent = self.confirmed = self.failed = 0
        self.confirm_ns = array("q")
        self.batch = batch
        self.room_made = asyncio.Event()
        self.lost: Exception | None = None
        self._path = path
        self._head = (
            f" HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
            + (f"Authorization: Bearer {token}\r\n" if token else "")
            + "Content-Length: "
        ).encode()
        self._lanes: list[_Lane] = []

    @classmethod
    async def connect(cls, host: str, port: int, *, path: str, token: str, batch: int) -> Self:
        """Connect; `batch` is the most notifications in one request."""
        outlet = cls(host=host, port=port, path=path, token=token, batch=batch)
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, lane = await loop.create_connection(lambda: _Lane(outlet), host, port)
            outlet._lanes.append(lane)
        return outlet

    def send(self, messages: Sequence[Outbound]) -> None:
        """Give each to the connection of its recipient, so that its order is kept."""
        now = time.monotonic_ns()
        for message in messages:
            self._lanes[message.index % CONNECTIONS].waiting.append((message, now))
        self.sent += len(messages)
        for lane in self._lanes:
            lane.go_on()

    async def room(self) -> None:
        """Wait until not too many await their answer."""
        while not self.lost and self.sent - self.confirmed >= MAX_IN_FLIGHT:
            self.room_made.clear()
            await self.room_made.wait()
        if self.lost:
            raise self.lost

    async def close(self) -> None:
        """Drop the connections."""
        for lane in self._lanes:
            lane.transport.abort()

    def request(self, messages: Sequence[Outbound]) -> bytes:
        """One request that publishes all of `messages`."""
        body = messages[0].body if self.batch == 1 else b"[%b]" % b",".join([one.body for one in messages])
        path = self._path.format(recipient=messages[0].name)
        return b"POST %b%b%d\r\n\r\n%b" % (path.encode(), self._head, len(body), body)

    def answered(self, status: int, written_ns: Sequence[int]) -> None:
        """The notifications written at `written_ns` were answered with that status."""
        now = time.monotonic_ns()
        self.confirm_ns.extend(now - one for one in written_ns)
        self.confirmed += len(written_ns)
        if not 200 <= status < 300:  # noqa: PLR2004
            self.failed += len(written_ns)
            self.lost = Unsent(f"publishing is answered with {status}")
        self.room_made.set()


class _Lane(asyncio.Protocol):
    """One connection: what waits for it, and what awaits its answer."""

    def __init__(self, outlet: HttpOutlet) -> None:
        self.waiting: deque[tuple[Outbound, int]] = deque()
        self._outlet = outlet
        self._asked: deque[list[int]] = deque()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def go_on(self) -> None:
        """Write as many requests as may be in flight."""
        batch, requests = self._outlet.batch, []
        most = MOST_PIPELINED if batch == 1 else 1
        while self.waiting and len(self._asked) < most:
            taken = [self.waiting.popleft() for _ in range(min(batch, len(self.waiting)))]
            requests.append(self._outlet.request([message for message, _ in taken]))
            self._asked.append([written_ns for _, written_ns in taken])
        if requests:
            self.transport.write(b"".join(requests))

    def data_received(self, data: bytes) -> None:
        """Take every answer that is complete."""
        came = self._buffer + data
        while (head_end := came.find(b"\r\n\r\n")) >= 0:
            head = came[:head_end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            after = head_end + 4 + length
            if len(came) < after:
                break
            self._outlet.answered(int(head[9:12]), self._asked.popleft())
            came = came[after:]
        self._buffer = came
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._outlet.lost = self._outlet.lost or exc or Unsent("the server closed the publisher's connection")
        self._outlet.room_made.set()
