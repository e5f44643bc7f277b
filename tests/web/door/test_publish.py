"""A publish at the door: its body comes in as it is asked for, and its client may go at any time."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from notify_sse.web.door.publish import MAX_AHEAD_BYTES
from tests.support.polling import until
from tests.web.door.heads import publish
from tests.web.door.publishing import Client, Echo


async def test_one_who_has_ended_its_side_is_answered_and_let_go() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await Echo()(scope, receive, send)

    client = Client(app)
    client.send(publish(b"{1}"))
    await asyncio.sleep(0)
    assert client.protocol.eof_received(), "the loop must not close"
    gate.set()
    await asyncio.wait_for(client.transport.closed.wait(), 5)
    assert client.transport.written.endswith(b"connection: close\r\ndate: " + client.transport.written[-36:])
    assert client.transport.written.endswith(b"{1}")


async def _told(receive: Receive, send: Send) -> None:
    """Answers with what it hears, until the client has gone."""
    kinds: list[bytes] = []
    while not kinds or kinds[-1] != b"http.disconnect":
        kinds.append((await receive())["type"].encode())
    body = b"{%b}" % b" ".join(kinds)
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("whole", [True, False])
async def test_an_app_hears_that_its_client_has_gone(whole: bool) -> None:
    """In the middle of the body or behind it; nothing is written to a socket that is lost, and nothing is kept."""
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await _told(receive, send)
        done.set()

    client = Client(app)
    client.send(publish(b"{1}")[: None if whole else -1])
    await asyncio.sleep(0)
    assert len(client.doors.sockets) == len(client.doors.sockets.arrivals) == 1
    client.transport.close()
    client.protocol.connection_lost(None)
    await asyncio.wait_for(done.wait(), 5)
    await asyncio.sleep(0)
    assert client.transport.writes == []
    assert len(client.doors.sockets) == len(client.doors.sockets.arrivals) == 0


async def test_half_a_body_is_told_as_such_and_its_answer_closes() -> None:
    client = Client(lambda _, receive, send: _told(receive, send))
    client.send(publish(b"{1}")[:-1])
    await asyncio.sleep(0)
    assert client.protocol.eof_received()
    await asyncio.wait_for(client.transport.closed.wait(), 5)
    assert client.transport.written.endswith(b"{http.request http.disconnect}")


async def test_a_body_that_nobody_asks_for_is_not_read_without_end() -> None:
    """Beyond 64 KB the client is not listened to, until the app takes what there is."""
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await Echo()(scope, receive, send)

    client, half = Client(app), b"a" * (MAX_AHEAD_BYTES + 1)
    whole = publish(half + b"b" * 10 + b"}")
    client.send(whole[:-11])
    await asyncio.sleep(0)
    assert not client.transport.is_reading()
    gate.set()
    await until(client.transport.is_reading)
    client.send(whole[-11:])
    assert await client.answers(1) == [half + b"b" * 10 + b"}"]


async def test_a_body_that_is_not_whole_when_it_is_answered_ends_the_connection() -> None:
    """What still comes of it is no request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    client = Client(app)
    client.send(publish(b"{1}")[:-1])
    await asyncio.wait_for(client.transport.closed.wait(), 5)
    assert client.others.transport is None


async def test_what_comes_behind_a_body_is_the_next_request() -> None:
    client = Client(Echo())
    client.send(publish(b"{1}") + publish(b"{2}"))
    assert await client.answers(2) == [b"{1}", b"{2}"]
