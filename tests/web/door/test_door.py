"""The door takes what is its own and passes on the rest, whole, however the bytes come."""

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.web.door import Door, Doors
from notify_sse.web.door.door import HIGH_WATER_BYTES
from notify_sse.web.door.exchange import EXTENSION
from tests.support.polling import until
from tests.web.door.doubles import HandTransport, Hypercorns
from tests.web.door.heads import HEAD, OTHERS, PATH, PATHS


class _App:
    """Answers 401 with a body of known length, and keeps the scopes that it was given."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        assert (await receive()) == {"type": "http.request", "body": b"", "more_body": False}
        await send(
            {
                "type": "http.response.start",
                "status": 401,
                "headers": [(b"content-length", b"2"), (b"connection", b"x")],
            }
        )
        await send({"type": "http.response.body", "body": b"no"})


def _doors(app: ASGIApp | None = None, *, request_timeout_s: float = 0, keep_alive_s: float = 0) -> Doors:
    return Doors(app or _App(), paths=PATHS, request_timeout_s=request_timeout_s, keep_alive_s=keep_alive_s)


def _arrive(doors: Doors) -> tuple[HandTransport, Hypercorns]:
    transport, others = HandTransport(), Hypercorns()
    door = Door(doors, lambda: others)
    transport.set_protocol(door)
    door.connection_made(transport)
    return transport, others


def _send(transport: HandTransport, *parts: bytes) -> None:
    for part in parts:
        protocol: Any = transport.protocol
        protocol.data_received(part)


async def test_a_plain_stream_is_answered_wherever_its_head_is_split() -> None:
    """The same scope each time, as Hypercorn makes it, and an answer that closes."""
    app = _App()
    for place in range(len(HEAD)):
        transport, others = _arrive(_doors(app))
        _send(transport, *(part for part in (HEAD[:place], HEAD[place:]) if part))
        assert others.transport is None
        head, _, body = transport.written.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 401 \r\n")
        assert head.count(b"\r\nconnection: ") == head.count(b"\r\nconnection: close\r\n") == 1
        assert b"\r\ndate: " in head
        assert body == b"no"
        assert transport.closed.is_set()
    first, *rest = [{**scope, "extensions": list(scope["extensions"])} for scope in app.scopes]
    assert all(scope == first for scope in rest)
    assert first.pop("headers")[0] == (b"host", b"x")
    assert first == {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": "GET",
        "scheme": "http",
        "path": PATH.decode(),
        "raw_path": PATH,
        "query_string": b"topics=a,b",
        "root_path": "",
        "client": ("10.0.0.1", 4711),
        "server": ("10.0.0.2", 8000),
        "state": {},
        "extensions": [EXTENSION],
    }


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_hypercorn_gets_every_byte_of_the_rest_wherever_it_is_split(other: bytes) -> None:
    """It is made as if it had been there from the start, and has the socket to itself from then on."""
    places = range(1, len(other), 1 if len(other) < 1000 else 1000)
    for place in places:
        transport, others = _arrive(_doors())
        _send(transport, other[:place], other[place:])
        taken = transport.protocol is not others
        if taken:  # what was split off came behind a whole plain head: it is thrown away, and the answer has closed
            assert other[:place] == HEAD
            assert transport.closed.is_set()
            continue
        assert others.received == other
        assert others.transport is transport
        assert transport.writes == []
        assert transport.limits == (HIGH_WATER_BYTES, None)


async def test_one_who_ends_its_side_before_the_head_is_whole_is_answered_and_let_go() -> None:
    """400, as from Hypercorn; nothing when nothing was asked."""
    for said in (HEAD[:30], HEAD[:-1], b""):
        transport, others = _arrive(_doors())
        _send(transport, *([said] if said else []))
        protocol: Any = transport.protocol
        assert not protocol.eof_received()  # which tells the loop to close
        assert transport.closed.is_set() is bool(said)
        assert others.transport is None
        assert transport.written[:44] == (b"HTTP/1.1 400 \r\ncontent-length: 0\r\nconnection" if said else b"")[:44]


async def test_a_head_that_takes_too_long_ends_its_connection() -> None:
    """From its first byte on. Who said nothing, is done in time, or began later is left alone."""
    doors = _doors(request_timeout_s=1.0)
    silent, _ = _arrive(doors)
    slow, _ = _arrive(doors)
    _send(slow, HEAD[:10], HEAD[10:-1])
    passed_on, _ = _arrive(doors)
    _send(passed_on, HEAD[:10], OTHERS["HEAD"])
    later, _ = _arrive(doors)
    # Late enough that a loop which stands still for a moment does not find both due at once.
    asyncio.get_running_loop().call_later(0.8, _send, later, HEAD[:-1])
    async with asyncio.timeout(30):
        await slow.closed.wait()
    assert slow.written.startswith(b"HTTP/1.1 408 \r\ncontent-length: 0\r\nconnection: close\r\n")
    assert not any(one.closed.is_set() for one in (silent, passed_on, later))
    async with asyncio.timeout(30):
        await later.closed.wait()
    assert not silent.closed.is_set()


async def test_one_who_says_nothing_is_let_go_after_a_longer_time() -> None:
    """As between two requests: clients connect in advance. Nobody is answered who has not asked."""
    doors = _doors(keep_alive_s=0.1)
    silent, _ = _arrive(doors)
    begun, _ = _arrive(doors)
    _send(begun, HEAD[:-1])
    async with asyncio.timeout(30):
        await silent.closed.wait()
    assert silent.writes == []
    assert not begun.closed.is_set()


async def test_an_answer_without_a_length_is_chunked() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"retry: 1\n\n", "more_body": True})
        await send({"type": "http.response.body"})

    transport, _ = _arrive(_doors(app))
    _send(transport, HEAD)
    head, _, body = transport.written.partition(b"\r\n\r\n")
    assert b"\r\ntransfer-encoding: chunked\r\n" in head
    assert body == b"a\r\nretry: 1\n\n\r\n0\r\n\r\n"
    assert transport.closed.is_set()


async def test_an_app_that_breaks_is_a_500_and_one_that_says_nothing_is_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody waits for an answer that will not come."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise ValueError

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": []})

    transport, _ = _arrive(_doors(broken))
    _send(transport, HEAD)
    assert transport.written.startswith(b"HTTP/1.1 500 \r\ncontent-length: 0\r\n")
    assert transport.closed.is_set()
    assert not transport.aborted
    assert [record.message for record in caplog.records] == ["a request failed"]
    transport, _ = _arrive(_doors(silent))
    _send(transport, HEAD)
    assert transport.aborted
    assert transport.writes == []


async def test_a_stream_that_breaks_while_it_opens_is_cut() -> None:
    """Its client comes back; it would wait for ever on a stream that nobody writes to."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        await send({"type": "http.response.start", "status": 200, "headers": []})
        scope["extensions"][EXTENSION].carry(object(), None)

    transport, _ = _arrive(_doors(app))
    _send(transport, HEAD)
    assert transport.aborted


async def test_an_app_that_waits_does_not_hold_up_the_others() -> None:
    """It goes on in a task; to a client that has gone meanwhile nothing is written."""
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await _App()(scope, receive, send)

    doors = _doors(app)
    stays, _ = _arrive(doors)
    goes, _ = _arrive(doors)
    for transport in (stays, goes):
        _send(transport, HEAD)
        assert transport.writes == []
    protocol: Any = goes.protocol
    goes.close()
    protocol.connection_lost(None)
    gate.set()
    await until(stays.closed.is_set)
    assert stays.written.endswith(b"\r\n\r\nno")
    assert goes.writes == []


async def test_who_comes_after_the_cut_is_cut_off() -> None:
    """The process waits until the door holds nobody: one more would keep it from its end."""
    doors = _doors()
    doors.sockets.cut()
    assert _arrive(doors)[0].aborted


async def test_at_the_end_everybody_is_cut_off() -> None:
    """Those at the door, those it serves, and those that Hypercorn has; only the first two are waited for."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        await asyncio.Event().wait()

    doors = _doors(app)
    silent, begun, served, passed_on = (_arrive(doors)[0] for _ in range(4))
    _send(begun, HEAD[:10])
    _send(served, HEAD)
    _send(passed_on, OTHERS["HEAD"])
    doors.close_silent()
    assert [one.closed.is_set() for one in (silent, begun, served, passed_on)] == [True, False, False, False]
    emptied = asyncio.ensure_future(doors.sockets.emptied())
    doors.sockets.cut()
    assert begun.aborted
    assert served.aborted
    assert passed_on.aborted
    await asyncio.sleep(0)
    assert not emptied.done()
    for transport in (silent, begun, served):
        protocol: Any = transport.protocol
        protocol.connection_lost(None)
    await asyncio.wait_for(emptied, 1)
    await doors.sockets.emptied()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
