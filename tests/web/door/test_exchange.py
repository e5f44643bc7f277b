"""What is answered to a publish, and what becomes of its connection."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.polling import until
from tests.web.door.heads import publish
from tests.web.door.publishing import Client, Echo, body_of


@pytest.mark.parametrize(
    ("app", "lines"),
    [(Echo(), [b"Connection: Close"]), (Echo((b"connection", b"close")), [b"Connection: keep-alive"])],
    ids=["the client asks for it", "the app asks for it"],
)
async def test_the_connection_ends_with_an_answer_that_says_so(app: ASGIApp, lines: list[bytes]) -> None:
    client = Client(app)
    client.send(publish(b"{1}", *lines) + publish(b"{2}"))
    await asyncio.wait_for(client.transport.closed.wait(), 5)
    assert client.transport.written.count(b"connection: close\r\n") == 1
    assert client.transport.written.endswith(b"\r\n\r\n{1}"), "what came behind is not answered"


async def test_an_app_waits_for_a_client_that_does_not_read() -> None:
    """And for nobody who is lost."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await body_of(receive)
        await send({"type": "http.response.start", "status": 201, "headers": []})
        for message in ({"body": b"{", "more_body": True}, {"body": b"}"}):
            await send({"type": "http.response.body", **message})
            sent.append(message)

    reads, lost = Client(app), Client(app)
    for client in (reads, lost):
        client.send(publish())
        client.protocol.pause_writing()
    await asyncio.sleep(0.01)
    assert sent == []
    lost.transport.close()
    lost.protocol.connection_lost(None)
    reads.protocol.resume_writing()
    await until(lambda: len(sent) == 4)
    assert reads.transport.written.endswith(b"\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")


async def _breaks(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise ValueError


async def _breaks_late(scope: Scope, receive: Receive, send: Send) -> None:
    await Echo()(scope, receive, send)
    raise ValueError


async def _breaks_in_between(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    raise ValueError


@pytest.mark.parametrize(
    ("app", "start", "aborted", "closes"),
    [
        (_breaks, b"HTTP/1.1 500 \r\ncontent-length: 0\r\nconnection: close\r\n", False, True),
        (_breaks_late, b"HTTP/1.1 201 ", False, False),
        (_breaks_in_between, b"HTTP/1.1 201 ", True, True),
    ],
)
async def test_an_app_that_breaks_leaves_no_half_answer_behind(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    start: bytes,
    aborted: bool,
    closes: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A whole answer stands, whatever comes after it."""
    client = Client(app)
    client.send(publish())
    await until(lambda: [record.message for record in caplog.records] == ["a request failed"])
    await asyncio.sleep(0)
    assert client.transport.written.startswith(start)
    assert (client.transport.aborted, client.transport.closed.is_set()) == (aborted, closes)
