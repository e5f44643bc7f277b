"""The load tool's client counts right: what it finds is what was sent, however the bytes arrive."""

import asyncio
import time
from typing import Any

import pytest

from notify_sse.bench.clients.stream_client import StreamClient, Tally
from notify_sse.bench.stamp import Bodies, mark
from notify_sse.errors import NoStream

RUN = "0123abcd"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Wire(asyncio.Transport):
    """Takes what is written, and can be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.cut = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.cut = True

    def is_closing(self) -> bool:
        return self.cut


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(number: int, *, topic: bool = False, due_ns: int = 0) -> bytes:
    bodies = Bodies(RUN, filler=10)
    body = bodies.topic("all", number, due_ns) if topic else bodies.recipient("alice", number, due_ns)
    return b"id: e.%d\ndata: %b\n\n" % (100 + number, body)


def opened() -> tuple[StreamClient, Tally]:
    tally = Tally(mark(RUN))
    client = StreamClient(0, tally)
    client.open(Wire(), b"GET / HTTP/1.1\r\n\r\n")
    return client, tally


async def test_every_split_of_the_bytes_gives_the_same_count() -> None:
    """A read may end anywhere: in the head, in a chunk's size, in a stamp, between the two line ends."""
    greeting = chunk(b'id: e.99\nevent: connected\ndata: {"cursor":"e.99"}\n\n')
    stream = HEAD + greeting + chunk(event(0) + event(1)) + chunk(event(2)) + chunk(event(0, topic=True))
    for cut in range(1, len(stream)):
        client, tally = opened()
        client.data_received(stream[:cut])
        client.data_received(stream[cut:])
        assert (len(tally.delay_ns), tally.live) == (4, 1), f"cut at {cut}"
        assert (tally.repeats, tally.disorders, client.lost((3, 1))) == (0, 0, 0), f"cut at {cut}"


async def test_losses_repeats_and_disorders_are_told_apart() -> None:
    """A number that is skipped is lost; one that comes after all is a disorder; one that comes again is a repeat."""
    client, tally = opened()
    client.data_received(HEAD + chunk(b"event: connected\ndata: {}\n\n"))
    for number in (0, 1, 1, 4, 2, 5):
        client.data_received(chunk(event(number)))
    assert (tally.repeats, tally.disorders, len(tally.delay_ns)) == (1, 1, 5)
    assert client.lost((6, 0)) == 1  # number 3
    assert client.lost((8, 2)) == 5  # and 6, 7, and two on the topic


async def test_it_resumes_after_the_last_event_that_came_whole() -> None:
    """An event that was cut in two has not been seen: its id is not the cursor."""
    client, _ = opened()
    client.data_received(HEAD + chunk(event(0)))
    client.data_received(chunk(event(1))[:60])
    assert client.cursor == b"e.100"


async def test_a_foreign_notification_is_not_counted() -> None:
    """What another run left in the log is no business of this one."""
    client, tally = opened()
    client.data_received(HEAD + chunk(event(0).replace(RUN.encode(), b"ffffffff")))
    assert len(tally.delay_ns) == 0


async def test_delays_are_from_the_due_time() -> None:
    client, tally = opened()
    due_ns = time.monotonic_ns() - 5_000_000
    client.data_received(HEAD + chunk(event(0, due_ns=due_ns)))
    assert tally.due_ns[0] == due_ns
    assert 5_000_000 <= tally.delay_ns[0] < 5_000_000_000


async def test_a_refusal_is_told_with_its_status() -> None:
    client = StreamClient(0, Tally(mark(RUN)))
    up = client.open(Wire(), b"")
    client.data_received(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(NoStream, match="401 Unauthorized"):
        await up


async def test_a_stream_that_the_server_ends_is_counted_as_cut() -> None:
    """One that was dropped on purpose is not."""
    client, tally = opened()
    client.data_received(HEAD + chunk(b"event: connected\ndata: {}\n\n"))
    assert client.transport
    client.transport.abort()
    client.connection_lost(None)
    assert (tally.cut, tally.live) == (1, 0)
    client, tally = opened()
    client.data_received(HEAD + chunk(b"event: connected\ndata: {}\n\n"))
    client.drop()
    client.connection_lost(None)
    assert (tally.cut, tally.live) == (0, 0)
