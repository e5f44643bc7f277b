"""The bytes of a stream: cursors that parse strictly, and frames that any reader of the format understands."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from hypothesis import example, given
from hypothesis import strategies as st

from notify_sse.core.control import Busy, Closing, Connected, ControlEvent, Expiring, Heartbeat, Reset
from notify_sse.core.cursor import Cursor, parse_cursor
from notify_sse.core.frames import Frame, encode_control, encode_frames, frame
from notify_sse.core.model import Event
from tests.support.notifications import documents, parsed

epochs = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
positions = st.integers(0, 10**18 - 1)


def decoded(data: bytes) -> list[ServerSentEvent]:
    """The events in `data`, by a parser that is not ours."""
    decoder = SSEDecoder()
    *lines, _after_the_last_line_end = data.decode().split("\n")
    return [event for event in map(decoder.decode, lines) if event is not None]


@given(epochs, positions)
def test_a_cursor_parses_as_it_was_written(epoch: str, position: int) -> None:
    cursor = Cursor(epoch, position)
    assert parse_cursor(str(cursor)) == cursor
    assert set(str(cursor)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


@given(st.one_of(st.text(max_size=140), st.from_regex(r"[a-z0-9._-]+\.-?[0-9]+\s?", fullmatch=True)))
@example("e.1" + "0" * 62)
@example("x" * 126 + ".1")
@example("e.\u0661")
def test_whatever_parses_is_written_the_same(text: str) -> None:
    """There is one way to write a cursor: no signs, no spaces, no leading zeros, no other digits."""
    cursor = parse_cursor(text)
    assert cursor is None or str(cursor) == text


@pytest.mark.parametrize(
    "text",
    ["", ".", "e", "e.", ".1", "e.01", "e.-1", "e.+1", "e.1 ", " e.1", "e.1\n", "e.1\x00", "e.1.2", "é.1", "e.1e3",
     "e.0x1", "e. 1", "e/../f.1", "x" * 65 + ".1", "e." + "9" * 64, "e.\u0661", "a" * 5000],
)  # fmt: skip
def test_what_is_no_cursor_does_not_parse(text: str) -> None:
    assert parse_cursor(text) is None


@given(st.lists(documents(), max_size=4), epochs, st.integers(1, 10**15), st.booleans())
def test_frames_survive_a_reader_that_is_not_ours(
    contents: list[dict[str, Any]], epoch: str, first: int, event_names: bool
) -> None:
    """Whatever the content, line ends and NUL included: each frame is one event, with its id, type and document."""
    published = [parsed(msgspec.json.encode(document)) for document in contents]
    frames = [
        frame(Event(place, one.channel, one.notification_type, one.body), epoch)
        for place, one in enumerate(published, first)
    ]
    events = decoded(encode_frames(frames, event_names=event_names))
    assert [event.id for event in events] == [f"{epoch}.{one.id}" for one in frames]
    assert [event.json() for event in events] == [json.loads(one.body) for one in published]
    assert [event.data.encode() for event in events] == [one.body for one in frames]
    assert [event.event for event in events] == [one.type if event_names else "message" for one in frames]
    assert [one.cursor.decode() for one in frames] == [f"{epoch}.{one.id}" for one in frames]


@pytest.mark.parametrize(
    "nasty", ["\r", "\n", "\r\n\r\nid: e.99\ndata: x\n\n", "\x00", "\u2028", "\u0085", "data: x", ": "]
)
def test_no_content_breaks_out_of_its_frame(nasty: str) -> None:
    """A frame is four lines: id, data, and the blank line that ends it."""
    document = {"notification_type": "t", "recipient_id": nasty, "notification_id": nasty, "payload": {nasty: nasty}}
    one = parsed(msgspec.json.encode(document))
    data = frame(Event(7, one.channel, one.notification_type, one.body), "e").block
    assert data.count(b"\n") == 3
    assert b"\r" not in data
    assert b"\x00" not in data
    (event,) = decoded(data)
    assert json.loads(event.data)["payload"] == {nasty: nasty}


def controls() -> Iterator[tuple[ControlEvent, str, str | None, int | None]]:
    """Each control event, with its name, its id and its retry."""
    at, other = Cursor("e", 7), Cursor("f", 9)
    yield Connected(at, at, heartbeat_s=15, connection_id="c", recipient_id="alice", retry_ms=3), "connected", "e.7", 3
    yield Connected(at, None, heartbeat_s=15, connection_id="c", recipient_id="alice", retry_ms=3), "connected", None, 3
    yield Heartbeat(at), "heartbeat", "e.7", None
    yield Reset("unknown_epoch", other, at), "reset", "e.7", None
    yield Reset("expired", None, at), "reset", "e.7", None
    yield Expiring(at, expires_in_s=1.23456), "expiring", "e.7", None
    yield Closing(at, "drain", retry_ms=50), "closing", "e.7", 50
    yield Busy(retry_ms=50), "closing", None, 50


@pytest.mark.parametrize(("control", "name", "cursor", "retry_ms"), list(controls()))
def test_control_events_survive_a_reader_that_is_not_ours(
    control: ControlEvent, name: str, cursor: str | None, retry_ms: int | None
) -> None:
    """All have data, because Firefox ignores the id of an event without."""
    (event,) = decoded(encode_control(control))
    assert event.event == name
    assert event.id == (cursor or "")
    assert event.retry == retry_ms
    assert event.json() == control.data
    assert event.json().get("cursor", "e.7") == "e.7"


def test_a_frame_is_as_many_lines_to_readers_that_know_more_line_ends() -> None:
    """U+0085, U+2028 and U+2029 end a line for Python's `splitlines()` and its like. They arrive, as escapes."""
    nasty = "a\u0085b\u2028c\u2029d\u00a0\u2027é"
    body = json.dumps({"payload": {nasty: nasty}}, ensure_ascii=False).encode()
    made = frame(Event(7, "recipient:alice", "t", body, 0), "e")
    greeting = Connected(Cursor("e", 9), None, heartbeat_s=1, connection_id="c", recipient_id=nasty, retry_ms=1)
    for block, lines in ((made.block, 3), (encode_control(greeting), 4)):
        assert len(block.decode().splitlines()) == lines
    assert json.loads(made.body) == {"payload": {nasty: nasty}}
    (event,) = decoded(encode_control(greeting))
    assert event.json()["recipient_id"] == nasty


def test_a_reset_says_what_may_be_lost_and_where_to_look() -> None:
    data = Reset("expired", Cursor("e", 3), Cursor("e", 9)).data
    assert data == {
        "reason": "expired",
        "from": "e.3",
        "to": "e.9",
        "history": "/notifications/history?before=e.10&order=desc",
    }


def test_each_control_event_says_what_the_contract_lists() -> None:
    """Every field, and no other: docs/reference/stream.md."""
    at = Cursor("e", 9)
    greeting = Connected(at, at, heartbeat_s=15, connection_id="c", recipient_id="alice", retry_ms=3)
    assert greeting.data == {"cursor": "e.9", "heartbeat_s": 15, "connection_id": "c", "recipient_id": "alice"}
    assert Heartbeat(at).data == {"cursor": "e.9"}
    assert Expiring(at, expires_in_s=1.5).data == {"cursor": "e.9", "expires_in_s": 1.5}
    assert Closing(at, "drain", retry_ms=50).data == {"cursor": "e.9", "reason": "drain", "retry_ms": 50}
    assert Busy(retry_ms=50).data == {"reason": "busy", "retry_ms": 50}


def test_a_greeting_that_a_reset_follows_carries_no_id() -> None:
    """A client cut off between the two still holds its old cursor, and is told of the reset again."""
    greeting = Connected(Cursor("e", 9), None, heartbeat_s=1, connection_id="c", recipient_id="alice", retry_ms=1)
    assert b"\nid:" not in encode_control(greeting)
    assert not encode_control(greeting).startswith(b"id:")


def test_frames_are_encoded_once() -> None:
    """However many streams send it, a frame's bytes are the same object."""
    one = frame(Event(1, "topic:all", "t", b"{}"), "e")
    assert isinstance(one, Frame)
    assert encode_frames([one], event_names=False) == one.block
