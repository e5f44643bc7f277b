"""A socket and its stream end together, and what is written fits the socket's state."""

import asyncio
from typing import cast

from notify_sse.core.control import Heartbeat
from notify_sse.core.cursor import Cursor
from notify_sse.gateway.connection import Connection
from notify_sse.web.door.sockets import Sockets
from notify_sse.web.door.transport import MAX_UNASKED_BYTES, EventStreamTransport
from tests.web.door.doubles import HandRegistry, HandTransport

BEAT = Heartbeat(Cursor("k3f9a1", 4711))
CONNECTION = cast("Connection", object())


def _open(sockets: Sockets | None = None) -> tuple[EventStreamTransport, HandTransport, HandRegistry]:
    transport, registry = HandTransport(), HandRegistry()
    opened = EventStreamTransport(transport, sockets=Sockets() if sockets is None else sockets)
    opened.begin(b"HEAD\r\n\r\n")
    opened.carry(CONNECTION, registry.port)
    return opened, transport, registry


async def test_the_head_and_the_greeting_leave_in_one_write() -> None:
    opened, transport, _ = _open()
    assert transport.writes == []
    opened.write_control(BEAT)
    opened.write_control(BEAT)
    assert len(transport.writes) == 2
    head, _, chunk = transport.writes[0].partition(b"\r\n\r\n")
    assert head == b"HEAD"
    assert chunk == transport.writes[1]
    size, _, rest = chunk.partition(b"\r\n")
    assert rest.endswith(b"\n\n\r\n")
    assert int(size, 16) == len(rest) - 2


async def test_a_write_waits_for_the_client_and_for_no_longer() -> None:
    """Until it takes more, or is lost: else the task that waits would stay for good."""
    opened, _, _ = _open()
    opened.pause_writing()
    first = opened.write_control(BEAT)
    assert first is not None
    opened.resume_writing()
    await asyncio.wait_for(first, 1)
    assert opened.write_control(BEAT) is None
    opened.pause_writing()
    second = opened.write_control(BEAT)
    assert second is not None
    opened.connection_lost(None)
    await asyncio.wait_for(second, 1)


async def test_nothing_is_written_to_a_socket_that_closes() -> None:
    """uvloop raises then; the stream's end is on its way."""
    opened, transport, _ = _open()
    transport.close()
    assert opened.write_control(BEAT) is None
    opened.connection_lost(None)
    assert opened.write_control(BEAT) is None
    assert opened.finish("drain") is None
    assert transport.writes == []


async def test_a_socket_that_is_lost_ends_its_stream_once() -> None:
    """Streams are never more than sockets, and none is counted as closed twice."""
    for events in ("lost", "eof lost"):
        sockets = Sockets()
        opened, _, registry = _open(sockets)
        assert registry.opened == [CONNECTION]
        assert len(sockets) == 1
        if "eof" in events:
            opened.eof_received()
            assert registry.left == [CONNECTION]
        opened.connection_lost(ConnectionResetError())
        assert registry.left == [CONNECTION]
        assert len(sockets) == 0


async def test_who_has_gone_while_it_was_admitted_leaves_at_once() -> None:
    for by_eof in (True, False):
        registry = HandRegistry()
        opened = EventStreamTransport(HandTransport(), sockets=Sockets())
        if by_eof:
            opened.eof_received()
        else:
            opened.connection_lost(None)
        opened.carry(CONNECTION, registry.port)
        assert registry.left == registry.opened == [CONNECTION]


async def test_a_stream_that_finishes_is_over_when_the_client_has_it() -> None:
    """The body's proper end, then the socket's; whoever ends the stream waits until its client took it."""
    opened, transport, registry = _open()
    opened.write_control(BEAT)
    waiting = opened.finish("drain")
    assert transport.writes[-1] == b"0\r\n\r\n"
    assert transport.closed.is_set()
    assert not transport.aborted
    assert waiting is not None
    assert registry.left == []
    opened.connection_lost(None)
    await asyncio.wait_for(waiting, 1)
    assert registry.left == [CONNECTION]


async def test_what_a_client_says_on_its_stream_is_thrown_away_up_to_a_limit() -> None:
    """It is never answered; and nobody has that much to say by mistake."""
    opened, transport, _ = _open()
    opened.data_received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    opened.data_received(b"x" * (MAX_UNASKED_BYTES - 100))
    assert not transport.aborted
    assert transport.writes == []
    opened.data_received(b"x" * 100)
    assert transport.aborted
