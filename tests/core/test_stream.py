"""One stream: what it does at each place of its cursor, and where a client that comes back goes on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.core.control import Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Event
from notify_sse.core.stream import MAX_PULL_EVENTS, Placed, Stream, StreamState, resume
from notify_sse.core.tail import Hole, Tail

NOW_MS = 1_000_000


def made(position: int, channel: str = "topic:all", *, expires_ms: int = 0) -> Frame:
    return frame(Event(position, channel, "t", b"{}", expires_ms), "e")


def tail_of(position: int, *, start: int = 0, max_events: int = 100_000) -> Tail:
    """A tail over `(start, position]` of the log "e", everything on topic:all."""
    tail = Tail(max_events=max_events, max_bytes=10**9)
    tail.restart("e", start=start)
    tail.extend(start + 1, [made(place) for place in range(start + 1, position + 1)])
    return tail


def stream_at(position: int, tail: Tail, *channels: str) -> Stream:
    return Stream(channels or ("topic:all",), Cursor("e", position), generation=tail.generation)


def ids(outcome: Any) -> list[int]:
    assert isinstance(outcome, list)
    return [one.id for one in outcome]


def test_below_the_tail_it_is_cold() -> None:
    """It neither sends nor moves: what lies between has to come from the log."""
    tail = tail_of(9, start=5)
    stream = stream_at(4, tail)
    assert stream.pull(tail, now_ms=NOW_MS) is StreamState.COLD
    assert stream.position == 4
    assert ids(stream_at(5, tail).pull(tail, now_ms=NOW_MS)) == [6, 7, 8, 9]


def test_at_the_tails_position_it_falls_asleep_in_the_same_step() -> None:
    tail = tail_of(9)
    stream = stream_at(7, tail)
    assert ids(stream.pull(tail, now_ms=NOW_MS)) == [8, 9]
    assert not stream.asleep
    assert stream.pull(tail, now_ms=NOW_MS) is StreamState.ASLEEP
    assert stream.asleep


def test_beyond_the_tail_it_waits_for_the_tail() -> None:
    """A page of the log can be ahead of the announcements: what it held is not sent again."""
    tail = tail_of(5)
    stream = stream_at(5, tail)
    page = [made(place) for place in (6, 7)]
    assert ids(stream.read(page, epoch="e", floor=0, upto=7, now_ms=NOW_MS)) == [6, 7]
    assert stream.pull(tail, now_ms=NOW_MS) is StreamState.ASLEEP
    hub: Hub[Stream] = Hub()
    hub.join(stream, stream)
    new = tail.extend(6, [made(place) for place in (6, 7, 8)])
    assert not isinstance(new, Hole)
    assert hub.wake(new, before=5) == [stream]
    assert ids(stream.pull(tail, now_ms=NOW_MS)) == [8]


def test_a_pull_is_bounded() -> None:
    """A client far behind gets piece after piece, and no other waits for all of it."""
    tail = tail_of(3 * MAX_PULL_EVENTS)
    stream = stream_at(0, tail)
    first = ids(stream.pull(tail, now_ms=NOW_MS))
    assert len(first) == MAX_PULL_EVENTS
    assert ids(stream.pull(tail, now_ms=NOW_MS))[0] == MAX_PULL_EVENTS + 1


def test_what_expired_is_passed_over() -> None:
    """In the tail and in the log: it is not sent, and the cursor moves on."""
    tail = Tail(max_events=10, max_bytes=10**9)
    tail.restart("e", start=0)
    frames = [made(1, expires_ms=NOW_MS), made(2, expires_ms=NOW_MS + 1), made(3)]
    tail.extend(1, frames)
    warm, cold = stream_at(0, tail), stream_at(0, tail)
    assert ids(warm.pull(tail, now_ms=NOW_MS)) == [2, 3]
    assert ids(cold.read(frames, epoch="e", floor=0, upto=3, now_ms=NOW_MS)) == [2, 3]
    assert warm.position == cold.position == 3


def test_a_page_moves_the_cursor_to_where_it_is_complete() -> None:
    """Also past events of other channels, so that the next page begins there."""
    stream = stream_at(3, tail_of(0))
    assert ids(stream.read([made(5)], epoch="e", floor=3, upto=9, now_ms=NOW_MS)) == [5]
    assert stream.position == 9


def test_a_page_overtaken_by_the_tail_is_not_sent_twice() -> None:
    stream = stream_at(6, tail_of(0))
    assert ids(stream.read([made(5), made(6), made(7)], epoch="e", floor=0, upto=7, now_ms=NOW_MS)) == [7]
    assert ids(stream.read([made(7)], epoch="e", floor=0, upto=7, now_ms=NOW_MS)) == []
    assert stream.position == 7


def test_what_retention_took_is_told() -> None:
    """A page is dropped when its floor has passed the cursor: there may be a gap before it."""
    stream = stream_at(3, tail_of(0))
    reset = stream.read([made(9)], epoch="e", floor=7, upto=9, now_ms=NOW_MS)
    assert reset == Reset("expired", Cursor("e", 3), Cursor("e", 7))
    assert stream.position == 7
    assert ids(stream.read([made(9)], epoch="e", floor=7, upto=9, now_ms=NOW_MS)) == [9]


def test_a_page_of_another_log_is_dropped() -> None:
    stream = stream_at(3, tail_of(0))
    assert stream.read([made(9)], epoch="f", floor=7, upto=9, now_ms=NOW_MS) == []
    assert (stream.epoch, stream.position) == ("e", 3)


@pytest.mark.parametrize(
    ("epoch", "start", "cursor", "outcome"),
    [
        ("f", 5, 3, Reset("unknown_epoch", Cursor("e", 3), Cursor("f", 5))),
        ("f", 5, 5, Reset("unknown_epoch", Cursor("e", 5), Cursor("f", 5))),
        ("e", 5, 9, Reset("ahead_of_log", Cursor("e", 9), Cursor("e", 5))),
        ("e", 5, 5, StreamState.ASLEEP),
        ("e", 5, 3, StreamState.COLD),
    ],
)
def test_after_a_break_each_cursor_is_checked(epoch: str, start: int, cursor: int, outcome: object) -> None:
    """Told once, and gone on from there; who stands within the log goes on as before."""
    tail = tail_of(9)
    stream = stream_at(cursor, tail)
    tail.restart(epoch, start=start)
    assert stream.pull(tail, now_ms=NOW_MS) == outcome
    if isinstance(outcome, Reset):
        assert stream.pull(tail, now_ms=NOW_MS) is StreamState.ASLEEP
        assert stream.seen(tail) == outcome.to


def test_only_a_sleeper_has_seen_all_that_the_tail_has() -> None:
    """A cursor ahead of what was sent would lose it when the client comes back with it."""
    tail = tail_of(9)
    stream = stream_at(4, tail, "topic:other")
    assert stream.seen(tail) == Cursor("e", 4)
    assert stream.pull(tail, now_ms=NOW_MS) == []
    assert stream.pull(tail, now_ms=NOW_MS) is StreamState.ASLEEP
    tail.extend(10, [made(10), made(11)])
    assert stream.seen(tail) == Cursor("e", 11)
    tail.restart("f", start=20)
    assert stream.seen(tail) == Cursor("e", 11)


def test_a_wake_moves_the_cursor_to_before_the_news() -> None:
    """What a sleeper slept through was none of its channels: it need not be looked for again."""
    tail = tail_of(9)
    stream = stream_at(9, tail)
    stream.pull(tail, now_ms=NOW_MS)
    stream.wake(50)
    assert (stream.asleep, stream.position) == (False, 50)
    stream.wake(40)
    assert stream.position == 50


def test_a_rewind_gives_back_what_was_not_sent() -> None:
    tail = tail_of(9)
    stream = stream_at(4, tail)
    assert ids(stream.pull(tail, now_ms=NOW_MS)) == [5, 6, 7, 8, 9]
    stream.rewind(6)
    assert ids(stream.pull(tail, now_ms=NOW_MS)) == [7, 8, 9]
    stream.rewind(30)
    assert stream.position == 9


@pytest.mark.parametrize(
    ("brought", "outcome"),
    [
        (None, Cursor("e", 9)),
        ("", Cursor("e", 9)),
        ("e.9", Cursor("e", 9)),
        ("e.0", Cursor("e", 0)),
        ("e.10", Reset("ahead_of_log", Cursor("e", 10), Cursor("e", 9))),
        ("f.3", Reset("unknown_epoch", Cursor("f", 3), Cursor("e", 9))),
        ("E.3", Reset("unknown_epoch", Cursor("E", 3), Cursor("e", 9))),
        ("4711", Reset("unknown_epoch", None, Cursor("e", 9))),
        ("e.09", Reset("unknown_epoch", None, Cursor("e", 9))),
        ("e.9\n", Reset("unknown_epoch", None, Cursor("e", 9))),
        ("x" * 10_000, Reset("unknown_epoch", None, Cursor("e", 9))),
    ],
)
def test_where_a_client_goes_on(brought: str | None, outcome: Cursor | Reset) -> None:
    """Its own place when that is of this log; else it is told, never an error and never silence."""
    placed = resume(brought, tail_of(9))
    assert placed == (Placed(outcome) if isinstance(outcome, Cursor) else Placed(outcome.to, outcome))


def test_a_reset_names_the_topics_of_the_client() -> None:
    """The history that it points to has to be asked for the same topics."""
    tail = tail_of(9)
    placed = resume("f.3", tail, topics=("x", "y"))
    assert placed.reset
    assert placed.reset.data["history"].endswith("&topics=x,y")
    stream = stream_at(3, tail, "recipient:alice", "topic:all", "topic:x")
    reset = stream.read([], epoch="e", floor=7, upto=9, now_ms=NOW_MS)
    assert isinstance(reset, Reset)
    assert reset.topics == ("x",)


@given(st.text(max_size=200))
def test_no_cursor_from_the_network_raises(brought: str) -> None:
    tail = tail_of(9)
    cursor = resume(brought, tail).cursor
    assert cursor.epoch == "e"
    assert cursor.position <= tail.position


steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(("topic:all", "topic:x", "topic:other"))),
        st.tuples(st.sampled_from(("pull", "pull", "beat", "back")), st.integers(1, 4)),
    ),
    max_size=60,
)


class Script:
    """A log, a tail of it, and one client that reads two of its channels."""

    channels = ("topic:all", "topic:x")

    def __init__(self, *, held: int) -> None:
        self.log: list[Frame] = []
        self.tail = Tail(max_events=held, max_bytes=10**9)
        self.tail.restart("e", start=0)
        self.hub: Hub[Stream] = Hub()
        self.sent: list[int] = []
        self.known = Cursor("e", 0)
        self.stream = self.connected()

    def connected(self) -> Stream:
        placed = resume(str(self.known), self.tail)
        assert placed.reset is None
        stream = Stream(self.channels, placed.cursor, generation=self.tail.generation)
        self.hub.join(stream, stream)
        return stream

    def publish(self, channel: str) -> None:
        one = made(len(self.log) + 1, channel)
        self.log.append(one)
        self.tail.extend(one.id, [one])
        assert self.hub.wake([one], before=one.id - 1) in ([], [self.stream])

    def pull(self, limit: int) -> None:
        turn = self.stream.pull(self.tail, now_ms=NOW_MS)
        if turn is StreamState.COLD:
            page = [one for one in self.log[self.stream.position :] if one.channel in self.channels][:limit]
            upto = page[-1].id if len(page) == limit else len(self.log)
            turn = self.stream.read(page, epoch="e", floor=0, upto=upto, now_ms=NOW_MS)
        if turn is not StreamState.ASLEEP:
            self.sent += ids(turn)
            self.known = Cursor("e", max([self.known.position, *self.sent[-1:]]))

    def beat(self, _: int) -> None:
        self.known = self.stream.seen(self.tail)

    def back(self, _: int) -> None:
        self.hub.leave(self.stream)
        self.stream = self.connected()


@given(steps, st.integers(1, 6))
def test_each_event_is_sent_once_in_order_whatever_comes_between(steps: list[tuple[str, Any]], held: int) -> None:
    """A stream driven in any order of publishes, pulls, pages, heartbeats and reconnects, on a tail of any size."""
    script = Script(held=held)
    for name, value in steps:
        getattr(script, name)(value)
    while not script.stream.asleep:
        script.pull(3)
    assert script.sent == [one.id for one in script.log if one.channel in Script.channels]
