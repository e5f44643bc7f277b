"""The socket of a publish goes on to the next request, whoever answers that."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from notify_sse.web.door import Doors
from notify_sse.web.door.exchange import EXTENSION
from tests.support.polling import until
from tests.web.door.heads import HEAD, PATHS, head, publish
from tests.web.door.publishing import Client, Echo


async def test_a_publish_is_answered_wherever_it_is_split_and_so_is_the_next() -> None:
    """The scope is as Hypercorn makes it, and the answer does not close."""
    app = Echo()
    whole = publish(b'{"a":1}', b"X-Y: z", start=b"POST /notifications?a=b HTTP/1.1")
    for place in range(len(whole)):
        client = Client(app)
        client.send(whole[:place], whole[place:])
        assert await client.answers(1) == [b'{"a":1}']
        client.send(publish(b"{2}"))
        assert (await client.answers(2))[1] == b"{2}"
        assert b"connection" not in client.transport.written.lower()
        assert not client.transport.closed.is_set()
        assert client.others.transport is None
    first = app.scopes[0]
    assert all(scope == first for scope in app.scopes[::2])
    assert first == {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": "POST",
        "scheme": "http",
        "path": "/notifications",
        "raw_path": b"/notifications",
        "query_string": b"a=b",
        "root_path": "",
        "headers": [(b"host", b"x"), (b"content-length", b"7"), (b"x-y", b"z")],
        "client": ("10.0.0.1", 4711),
        "server": ("10.0.0.2", 8000),
        "state": {},
        "extensions": {},
    }


async def test_what_comes_behind_a_publish_is_the_next_request_and_waits_for_its_turn() -> None:
    """Sent in one piece, or while the first is answered: in order, each by whoever it is for, with its own bytes."""
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await Echo()(scope, receive, send)

    other = head(start=b"GET /healthz HTTP/1.1")
    client = Client(app)
    client.send(publish(b"{1}") + publish(b"{2}") + other[:5])
    await asyncio.sleep(0)
    assert client.transport.writes == []
    assert not client.transport.is_reading(), "who sends ahead is not listened to"
    gate.set()
    assert await client.answers(2) == [b"{1}", b"{2}"]
    assert client.transport.is_reading()
    assert client.others.received == b"", "it may still be a publish"
    client.send(other[5:])
    assert client.others.received == other
    assert client.others.transport is client.transport


@pytest.mark.parametrize("behind", [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"\0"])
async def test_bytes_behind_the_body_are_never_a_part_of_it(behind: bytes) -> None:
    client = Client(Echo())
    client.send(publish(b"{1}") + behind)
    assert await client.answers(1) == [b"{1}"]
    await until(lambda: client.others.transport is client.transport)
    assert client.others.received == behind


async def test_a_stream_may_follow_on_the_same_socket() -> None:
    """It is the door's like a first one."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await Echo()(scope, receive, send)

    client = Client(app)
    client.send(publish())
    await client.answers(1)
    client.send(HEAD)
    assert [EXTENSION in scope["extensions"] for scope in scopes] == [False, True]
    assert client.transport.closed.is_set()


async def test_between_requests_a_connection_has_the_times_of_a_new_one() -> None:
    """KEEP_ALIVE_S of silence, REQUEST_TIMEOUT_S for a head."""
    silent = Client(Echo(), doors=Doors(Echo(), paths=PATHS, request_timeout_s=0, keep_alive_s=0.1))
    slow = Client(Echo(), doors=Doors(Echo(), paths=PATHS, request_timeout_s=0.1, keep_alive_s=0))
    for client in (silent, slow):
        client.send(publish())
        await client.answers(1)
    slow.send(publish()[:10])
    for client in (silent, slow):
        await asyncio.wait_for(client.transport.closed.wait(), 5)
    assert silent.transport.written.count(b"HTTP/1.1") == 1
    assert b"HTTP/1.1 408 " in slow.transport.written


async def test_at_the_end_idle_connections_close_and_others_with_their_answer() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["query_string"]:
            await gate.wait()
        await Echo()(scope, receive, send)

    doors = Doors(app, paths=PATHS, request_timeout_s=0, keep_alive_s=0)
    idle, under_way = Client(app, doors=doors), Client(app, doors=doors)
    idle.send(publish())
    await idle.answers(1)
    under_way.send(publish(start=b"POST /notifications?x HTTP/1.1"))
    await asyncio.sleep(0)
    doors.close_silent()
    assert (idle.transport.closed.is_set(), under_way.transport.closed.is_set()) == (True, False)
    gate.set()
    await asyncio.wait_for(under_way.transport.closed.wait(), 5)
    assert under_way.transport.written.endswith(b"{}")
