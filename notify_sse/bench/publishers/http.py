"""Publishing over HTTP for load: a few kept-alive connections, requests written and answers counted by hand.

Either arrays to one address, with one request in flight on each connection, as a careful publisher does with
`POST /notifications`; or one pipelined request for each notification, for servers that take nothing else.
"""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Final, Self, cast

from notify_sse.bench.publishers.sender import MAX_IN_FLIGHT, Outbound
from notify_sse.errors import SendFailed

CONNECTIONS: Final = 4
MOST_PIPELINED: Final = 64


class HttpSender:
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
        self._connections: list[_HttpConnection] = []

    @classmethod
    async def connect(cls, host: str, port: int, *, path: str, token: str, batch: int) -> Self:
        """Connect; `batch` is the most notifications in one request."""
        sender = cls(host=host, port=port, path=path, token=token, batch=batch)
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _HttpConnection(sender), host, port)
            sender._connections.append(connection)
        return sender

    def send(self, messages: Sequence[Outbound]) -> None:
        """Give each to the connection of its recipient, so that its order is kept."""
        now = time.monotonic_ns()
        for message in messages:
            self._connections[message.index % CONNECTIONS].waiting.append((message, now))
        self.sent += len(messages)
        for connection in self._connections:
            connection.go_on()

    async def room(self) -> None:
        """Wait until not too many await their answer."""
        while not self.lost and self.sent - self.confirmed >= MAX_IN_FLIGHT:
            self.room_made.clear()
            await self.room_made.wait()
        if self.lost:
            raise self.lost

    async def close(self) -> None:
        """Drop the connections."""
        for connection in self._connections:
            connection.transport.abort()

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
            self.lost = SendFailed(f"publishing is answered with {status}")
        self.room_made.set()


class _HttpConnection(asyncio.Protocol):
    """One HTTP connection: `waiting` is not sent yet, `_asked` has no answer yet."""

    def __init__(self, sender: HttpSender) -> None:
        self.waiting: deque[tuple[Outbound, int]] = deque()
        self._sender = sender
        self._asked: deque[list[int]] = deque()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def go_on(self) -> None:
        """Write as many requests as may be in flight."""
        batch, requests = self._sender.batch, []
        most = MOST_PIPELINED if batch == 1 else 1
        while self.waiting and len(self._asked) < most:
            taken = [self.waiting.popleft() for _ in range(min(batch, len(self.waiting)))]
            requests.append(self._sender.request([message for message, _ in taken]))
            self._asked.append([written_ns for _, written_ns in taken])
        if requests:
            self.transport.write(b"".join(requests))

    def data_received(self, data: bytes) -> None:
        """Take every answer that is complete."""
        received = self._buffer + data
        while (head_end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:head_end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            after = head_end + 4 + length
            if len(received) < after:
                break
            self._sender.answered(int(head[9:12]), self._asked.popleft())
            received = received[after:]
        self._buffer = received
        self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.lost = self._sender.lost or exc or SendFailed("the server closed the publisher's connection")
        self._sender.room_made.set()
