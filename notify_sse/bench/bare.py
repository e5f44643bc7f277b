"""The bare server: takes publishes over HTTP and writes each to the streams that it is for. Nothing else.

It has no log and no cursors, and it reads a token without verifying it. It is the floor of every comparison: it shows
how much the load tool itself can take in, and what a Python server costs before it does anything. Nobody should serve
users with it. It is here, and not with the tests, because `notify-sse bench --bare` is a command for users.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

import msgspec
import uvloop

from notify_sse.bench.publishers.publisher_process import PublishAddress
from notify_sse.bench.target import HTTP_BATCH, Launch, Target, free_port, process
from notify_sse.server.files import raise_file_limit
from notify_sse.server.listening import BACKLOG

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: connected\ndata: {}\n\n"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
EVERYONE: Final = "all"


class _Published(msgspec.Struct):
    recipient_id: str = ""
    topic: str = ""


class _Subject(msgspec.Struct):
    sub: str = ""


class _Connection(asyncio.Protocol):
    """One HTTP connection: a GET is a stream, a POST is a publisher."""

    def __init__(self, streams: dict[str, asyncio.Transport]) -> None:
        self._streams = streams
        self._buffer = b""
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._streams.get(self._name) is self._transport:
            del self._streams[self._name]

    def data_received(self, data: bytes) -> None:
        received = self._buffer + data
        while (head_end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:head_end]
            after = head_end + 4 + _length(head)
            if len(received) < after:
                break
            self._request(head, received[head_end + 4 : after])
            received = received[after:]
        self._buffer = received

    def _request(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            self._publish(body)
            self._transport.write(OK)
        elif b"event-stream" in head:
            self._name = _subject(head)
            self._streams[self._name] = self._transport
            self._transport.write(HEAD)
        else:
            self._transport.write(OK)

    def _publish(self, body: bytes) -> None:
        for raw in msgspec.json.decode(body, type=list[msgspec.Raw]):
            published = msgspec.json.decode(raw, type=_Published)
            frame = b"id: 0\ndata: %b\n\n" % bytes(raw)
            if published.topic == EVERYONE:
                for transport in list(self._streams.values()):
                    transport.write(frame)
            elif stream := self._streams.get(published.recipient_id):
                stream.write(frame)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def _subject(head: bytes) -> str:
    claims = head.partition(b"Bearer ")[2].split(b".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(claims + b"=" * (-len(claims) % 4)), type=_Subject).sub


def bare_server() -> Launch:
    """Starts the bare server, in a process of its own, for each scenario."""

    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        async with process([sys.executable, "-m", __name__, str(port)], {}, ready_url=url) as pid:
            publish_to = PublishAddress("http", host="127.0.0.1", port=port, path="/notifications", batch=HTTP_BATCH)
            yield Target("bare", url, publish_to, secret="-" * 32, pids={"server": [pid]}, metrics=False)

    return launch


async def _serve(port: int) -> None:
    streams: dict[str, asyncio.Transport] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(streams), "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
