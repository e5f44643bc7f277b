"""A WebSocket and its stream end together; what its client says is bounded before it is kept, and so is the answer."""

import asyncio
import sys
from typing import cast

import pytest
from websockets.frames import Opcode

from notify_sse.core.control import Heartbeat
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import frame as event_frame
from notify_sse.core.model import Event
from notify_sse.gateway.connection import Connection
from notify_sse.web.door import websocket as door_websocket
from notify_sse.web.door.patience import Patience
from notify_sse.web.door.sockets import Sockets
from notify_sse.web.door.websocket import (
    MAX_DISCARDED_BYTES,
    MAX_EARLY_BYTES,
    MAX_FRAMES_PER_S,
    MAX_MESSAGE_BYTES,
    PONG_EVENT,
    WebSocketTransport,
)
from tests.web.door.doubles import HandRegistry, HandTransport
from tests.web.door.echo import Said, closing, frame, frames

TEXT, CONT, CLOSE, PING, PONG = Opcode.TEXT, Opcode.CONT, Opcode.CLOSE, Opcode.PING, Opcode.PONG
BEAT = Heartbeat(Cursor("k3f9a1", 4711))
BEAT_SAID = Said(TEXT, b'{"id":"k3f9a1.4711","event":"heartbeat","data":{"cursor":"k3f9a1.4711"}}')
CONNECTION = cast("Connection", object())
HEAD = b"HEAD\r\n\r\n"


class Heard:
    """Keeps what clients say on open streams."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def handle(self, transport: WebSocketTransport, data: bytes) -> None:
        del transport
        self.messages.append(data)


class Opened:
    """One in the hand."""

    def __init__(self, *, early: bytes = b"", linger_s: float = 0) -> None:
        self.hand = HandTransport()
        self.registry = HandRegistry()
        self.heard = Heard()
        self.sockets = Sockets()
        lingering: Patience[WebSocketTransport] = Patience(linger_s, WebSocketTransport.abort)
        self.websocket = WebSocketTransport(self.hand, sockets=self.sockets, lingering=lingering, early=early)
        self.websocket.handler = self.heard

    def accept(self) -> "Opened":
        self.websocket.accept(HEAD)
        return self

    def carry(self) -> "Opened":
        self.websocket.carry(CONNECTION, self.registry.port)
        return self

    def reads(self) -> bool:
        """Whether it holds a reader."""
        return self.websocket._reader is not None

    @property
    def said(self) -> list[Said]:
        head, _, rest = self.hand.written.partition(b"\r\n\r\n")
        assert head == HEAD[:-4]
        return list(frames(rest))


def _open(**options: float) -> Opened:
    return Opened(**options).accept().carry()  # type: ignore[arg-type]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which frames are counted."""
    now = [1000.0]
    monkeypatch.setattr(f"{door_websocket.__name__}.time.monotonic", lambda: now[0])
    return now


async def test_the_answer_and_the_greeting_leave_in_one_write() -> None:
    opened = _open()
    assert opened.hand.writes == []
    opened.websocket.write_control(BEAT)
    assert len(opened.hand.writes) == 1
    assert opened.said == [BEAT_SAID]


async def test_each_event_is_a_message() -> None:
    opened = _open()
    events = [Event(id=n, channel="recipient:alice", body=b'{"n":%d}' % n, type="x") for n in (1, 2)]
    opened.websocket.write([event_frame(event, "k3f9a1") for event in events])
    assert len(opened.hand.writes) == 1
    assert opened.said == [Said(TEXT, b'{"id":"k3f9a1.%d","event":"message","data":{"n":%d}}' % (n, n)) for n in (1, 2)]


@pytest.mark.parametrize("by", ["loss", "end", "close frame", "mistake", "reset"])
async def test_whatever_ends_the_socket_ends_the_stream_once(by: str) -> None:
    """Streams are never more than sockets."""
    opened = _open()
    assert opened.registry.opened == [CONNECTION]
    match by:
        case "end":
            opened.websocket.eof_received()
        case "close frame":
            opened.websocket.data_received(closing(1001))
            assert opened.said == [Said(CLOSE, b"\x03\xe9")]
            assert opened.hand.closed.is_set()
        case "mistake":
            opened.websocket.data_received(b"\xff")
            opened.websocket.data_received(b"\xff")
        case "reset":
            opened.websocket.abort()
    assert opened.registry.left == ([CONNECTION] if by not in ("loss", "reset") else [])
    assert len(opened.sockets) == 1
    opened.websocket.connection_lost(ConnectionResetError())
    assert opened.registry.left == [CONNECTION]
    assert len(opened.sockets) == 0


@pytest.mark.parametrize("by", ["loss", "end", "close frame", "mistake"])
async def test_who_has_gone_while_it_was_admitted_leaves_at_once(by: str) -> None:
    opened = Opened()
    if by in ("loss", "end"):
        opened.websocket.eof_received() if by == "end" else opened.websocket.connection_lost(None)
    opened.accept()
    if by in ("close frame", "mistake"):
        opened.websocket.data_received(closing(1000) if by == "close frame" else b"\xff\xff")
    opened.carry()
    assert opened.registry.left == opened.registry.opened == [CONNECTION]


async def test_a_stream_that_finishes_waits_for_the_clients_last_word() -> None:
    """Its code, then the client's, then the end of the socket (RFC 6455, 7.1.1); what comes between is passed over."""
    opened = _open()
    waiting = opened.websocket.finish("drain")
    assert waiting is not None
    assert opened.said == [Said(CLOSE, b"\x03\xf4drain")]
    opened.websocket.data_received(frame(TEXT, b"late") + frame(PING))
    assert not opened.hand.closed.is_set()
    opened.websocket.data_received(closing(1012))
    assert opened.hand.closed.is_set()
    assert opened.said == [Said(CLOSE, b"\x03\xf4drain")]
    assert opened.heard.messages == []
    opened.websocket.connection_lost(None)
    await asyncio.wait_for(waiting, 1)
    assert opened.registry.left == [CONNECTION]


async def test_nothing_is_said_or_heard_behind_the_last_word() -> None:
    """Neither a pong nor a second close; what breaks the protocol then is the end of the socket."""
    opened = _open()
    opened.websocket.close(4401, "why")
    opened.websocket.data_received(frame(PING) + frame(TEXT, b"late") + frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1)))
    assert opened.said == [Said(CLOSE, b"\x11\x31why")]
    assert opened.heard.messages == []
    assert opened.hand.closed.is_set()


async def test_a_client_that_does_not_answer_a_close_is_cut_off() -> None:
    """Soon, whether it was the stream's end or the client's mistake; one that has gone is no more waited for."""
    finished, failed, gone = _open(linger_s=0.05), _open(linger_s=0.05), _open(linger_s=0.05)
    finished.websocket.finish("revoked")
    failed.websocket.data_received(b"\xff\xff")
    gone.websocket.finish("revoked")
    gone.websocket.connection_lost(None)
    async with asyncio.timeout(30):
        await finished.hand.closed.wait()
        await failed.hand.closed.wait()
    assert finished.hand.aborted
    assert failed.hand.aborted
    assert not gone.hand.aborted


async def test_a_mistake_is_told_before_the_socket_closes() -> None:
    """Closed at once with unread bytes it would be reset, and the client would not hear why. What comes is thrown
    away, up to a limit.
    """
    opened = _open()
    opened.websocket.data_received(frame(TEXT, b"x" * (MAX_MESSAGE_BYTES + 1))[:8] + b"x" * 1000)
    assert opened.said == [Said(CLOSE, b"\x03\xf1the message is too large")]
    assert opened.hand.ended
    assert not opened.hand.closed.is_set()
    opened.websocket.data_received(frame(TEXT, b'{"type":"ping"}') + frame(PING))
    opened.websocket.pong()
    assert len(opened.hand.writes) == 1
    assert opened.heard.messages == []
    for _ in range(16):
        opened.websocket.data_received(b"x" * (MAX_DISCARDED_BYTES // 16))
    assert opened.hand.aborted


async def test_the_largest_message_is_heard_and_nothing_over_it_is_kept() -> None:
    opened = _open()
    most = b"x" * MAX_MESSAGE_BYTES
    opened.websocket.data_received(frame(TEXT, most[:-10], fin=False))
    opened.websocket.data_received(frame(CONT, most[-10:]))
    assert opened.heard.messages == [most]
    opened.websocket.data_received(frame(TEXT, most, fin=False))
    assert opened.reads()
    opened.websocket.data_received(frame(CONT, b"x"))
    assert opened.said[-1].data[:2] == b"\x03\xf1"
    assert not opened.reads()
    assert opened.heard.messages == [most]


async def test_frames_of_any_kind_are_limited_by_the_second(clock: list[float]) -> None:
    """Also empty ones, and those without an answer: each costs as much work. 1008 at the first that is too many."""
    for one in (frame(PING), frame(PONG), frame(TEXT, b"{}"), frame(CONT, fin=False)):
        opened = _open()
        opened.websocket.data_received(frame(TEXT, b"{", fin=False) if one == frame(CONT, fin=False) else one)
        opened.websocket.data_received(one * (MAX_FRAMES_PER_S - 1))
        clock[0] += 1
        opened.websocket.data_received(one * MAX_FRAMES_PER_S)
        assert opened.registry.left == []
        opened.websocket.data_received(one * 1000)
        assert opened.registry.left == [CONNECTION]
        assert opened.said[-1] == Said(CLOSE, b"\x03\xf0too many frames")
        answered = [said for said in opened.said if said.opcode == PONG]
        assert len(answered) == (2 * MAX_FRAMES_PER_S if one == frame(PING) else 0)
        assert not opened.reads()


async def test_a_client_that_pings_and_does_not_read_is_answered_once() -> None:
    """The latest, when it reads again: it cannot make us keep more."""
    opened = _open()
    opened.websocket.pause_writing()
    opened.websocket.data_received(frame(PING, b"first") + frame(PING, b"second"))
    opened.websocket.pong()
    opened.websocket.data_received(frame(PING, b"last"))
    assert opened.hand.writes == []
    opened.websocket.resume_writing()
    assert opened.said == [Said(PONG, b"last")]
    opened.websocket.pong()
    assert opened.hand.writes[-1] == PONG_EVENT


async def test_a_client_that_does_not_read_is_not_told_of_its_mistake() -> None:
    """It would never hear of it: it is cut off, with all that waits for it."""
    opened = _open()
    opened.websocket.pause_writing()
    opened.websocket.data_received(b"\xff\xff")
    assert opened.hand.aborted
    assert opened.registry.left == [CONNECTION]


async def test_what_comes_before_the_answer_waits_for_it(clock: list[float]) -> None:
    """The first frames may be in the segment of the head. Neither they nor what is said before the stream is open are
    lost, nor are they without bounds.
    """
    del clock
    opened = Opened(early=frame(PING, b"a") + frame(TEXT, b"1"))
    opened.websocket.data_received(frame(TEXT, b"2")[:3])
    assert opened.hand.writes == []
    opened.accept()
    opened.websocket.data_received(frame(TEXT, b"2")[3:])
    assert opened.said == [Said(PONG, b"a")]
    assert await opened.websocket.next_message() == b"1"
    opened.carry()
    opened.websocket.data_received(frame(TEXT, b"3"))
    assert opened.heard.messages == [b"2", b"3"]

    early = Opened()
    for size, aborted in ((MAX_EARLY_BYTES, False), (1, True)):
        early.websocket.data_received(b"x" * size)
        assert early.hand.aborted is aborted

    talks = Opened().accept()
    talks.websocket.data_received(frame(TEXT, b"x" * 10_000) * 2)
    assert talks.said[-1].data[:2] == b"\x03\xf1"
    assert await talks.websocket.next_message() is None


@pytest.mark.parametrize("by", ["loss", "end", "close frame", "mistake"])
async def test_nobody_waits_for_a_message_that_will_not_come(by: str) -> None:
    opened = Opened().accept()
    waiting = asyncio.ensure_future(opened.websocket.next_message())
    await asyncio.sleep(0)
    assert opened.said == []  # the answer has left by now
    match by:
        case "loss":
            opened.websocket.connection_lost(None)
        case "end":
            opened.websocket.eof_received()
        case "close frame":
            opened.websocket.data_received(closing(1000))
        case "mistake":
            opened.websocket.data_received(b"\xff\xff")
    assert await asyncio.wait_for(waiting, 1) is None


async def test_a_writer_waits_for_the_client_and_for_no_longer() -> None:
    opened = _open()
    opened.websocket.pause_writing()
    waiting = opened.websocket.write_control(BEAT)
    assert waiting is not None
    opened.websocket.connection_lost(None)
    await asyncio.wait_for(waiting, 1)
    opened.hand.close()
    assert opened.websocket.write_control(BEAT) is None
    assert opened.websocket.finish("drain") is None


async def test_while_its_client_says_nothing_no_reader_is_kept() -> None:
    """That is where the memory of an idle WebSocket would be."""
    opened = _open()
    for data in (frame(TEXT, b"{}"), frame(PING), frame(TEXT, b"{}") + frame(PONG)):
        opened.websocket.data_received(data)
        assert not opened.reads()
    opened.websocket.data_received(frame(TEXT, b"{}")[:-1])
    assert opened.reads()
    opened.websocket.data_received(frame(TEXT, b"{}")[-1:])
    assert not opened.reads()
    assert opened.heard.messages == [b"{}"] * 3
    assert sys.getsizeof(opened.websocket) < 300
