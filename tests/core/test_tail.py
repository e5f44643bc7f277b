"""The tail against a model that keeps the whole log: all that it says of any stretch is true."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from notify_sse.core.frames import Frame, frame
from notify_sse.core.model import Event
from notify_sse.core.tail import COMPACT_AT, FRAME_OVERHEAD_BYTES, Hole, Tail

CHANNELS = ("recipient:a", "recipient:b", "topic:all", "topic:x")


def made(position: int, channel: str = "topic:all", size: int = 2, epoch: str = "e") -> Frame:
    return frame(Event(position, channel, "t", b"x" * size), epoch)


def stretch(first: int, count: int) -> list[Frame]:
    return [made(position, CHANNELS[position * 7 % 4]) for position in range(first, first + count)]


def filled(count: int, *, max_events: int = 100) -> Tail:
    tail = Tail(max_events=max_events, max_bytes=1_000_000)
    tail.restart("e", start=0)
    tail.extend(1, stretch(1, count))
    return tail


class TailModel(RuleBasedStateMachine):
    """Any order of extensions, duplicates, holes, skips, restarts and reads."""

    @initialize(max_events=st.integers(1, 12), max_bytes=st.sampled_from((600, 2000, 10**9)), start=st.integers(0, 9))
    def begin(self, max_events: int, max_bytes: int, start: int) -> None:
        self.max_events, self.max_bytes = max_events, max_bytes
        self.tail = Tail(max_events=max_events, max_bytes=max_bytes)
        self.tail.restart("e", start=start)
        self.log: dict[int, Frame] = {}
        self.position = self.begun = start

    @rule(
        back=st.integers(0, 6),
        contents=st.lists(st.tuples(st.sampled_from(CHANNELS), st.integers(0, 400)), max_size=8),
    )
    def extend(self, back: int, contents: list[tuple[str, int]]) -> None:
        """From anywhere at or below the next position: what is known is dropped, what is new is returned."""
        first = max(1, self.position + 1 - back)
        frames = [
            self.log.get(place) or made(place, channel, size) for place, (channel, size) in enumerate(contents, first)
        ]
        new = [one for one in frames if one.id > self.position]
        assert list(self._offered(first, frames)) == new
        self.log.update((one.id, one) for one in new)
        self.position = max([self.position, *(one.id for one in new)])

    @rule(ahead=st.integers(-6, 6))
    def trim(self, ahead: int) -> None:
        """Retention reached some place of the log, or beyond what the tail has."""
        floor = max(0, self.tail.start + ahead)
        self.tail.trim(floor)
        assert self.tail.start >= min(floor, self.position)
        self.begun = max(self.begun, self.tail.start)

    @rule(
        back=st.integers(0, 6),
        contents=st.lists(st.tuples(st.sampled_from(CHANNELS), st.booleans()), max_size=8),
    )
    def extend_with_gaps(self, back: int, contents: list[tuple[str, bool]]) -> None:
        """As read from the log, where some events were erased: what is known is dropped, the gaps are passed."""
        first = max(1, self.position + 1 - back)
        upto = first - 1 + len(contents)
        frames = [
            self.log.get(place) or made(place, channel)
            for place, (channel, there) in enumerate(contents, first)
            if there and (place > self.position or place in self.log)
        ]
        new = [one for one in frames if one.id > self.position]
        assert list(self._offered(first, frames, upto=upto)) == new
        self.log.update((one.id, one) for one in new)
        self.position = max(self.position, upto)

    def _offered(self, first: int, frames: Sequence[Frame], *, upto: int = 0) -> Sequence[Frame]:
        outcome = self.tail.extend(first, frames, upto=upto)
        assert not isinstance(outcome, Hole)
        return outcome

    @rule(contents=st.lists(st.tuples(st.sampled_from(CHANNELS), st.integers(0, 400), st.booleans()), max_size=8))
    def prepend(self, contents: list[tuple[str, int, bool]]) -> None:
        """A page of the log before the tail, perhaps with gaps: as much of it as there is room for, the newest first,
        and nothing is pushed out for it."""
        start, held, size = self.tail.start, list(self.tail._order), self.tail.size_bytes
        first = max(1, start + 1 - len(contents))
        frames = [
            self.log.get(place) or made(place, channel, size)
            for place, (channel, size, there) in enumerate(contents[: start + 1 - first], first)
            if there or place in self.log
        ]
        taken = self.tail.prepend(frames, known=self.position)
        kept = frames[len(frames) - taken :]
        self.log.update((one.id, one) for one in kept)
        assert list(self.tail._order) == kept + held
        assert self.tail.start == (kept[0].id - 1 if kept else start)
        self.begun = min(self.begun, self.tail.start)
        if taken < len(frames):
            following = frames[len(frames) - taken - 1]
            assert (
                len(self.tail) == self.max_events
                or self.tail.size_bytes + len(following.block) + FRAME_OVERHEAD_BYTES > self.max_bytes
            )
        assert self.tail.size_bytes >= size

    @rule(gap=st.integers(1, 5), count=st.integers(0, 3))
    def offer_beyond(self, gap: int, count: int) -> None:
        """A hole is named, and nothing changes."""
        before = (self.tail.start, self.tail.position, len(self.tail), self.tail.size_bytes)
        first = self.position + 1 + gap
        assert self.tail.extend(first, stretch(first, count)) == Hole(self.position, first)
        assert (self.tail.start, self.tail.position, len(self.tail), self.tail.size_bytes) == before

    @rule(further=st.integers(0, 4))
    def skip(self, further: int) -> None:
        generation = self.tail.generation
        self.position += further
        self.begun = self.position
        self.tail.skip(self.position)
        assert (self.tail.start, len(self.tail), self.tail.generation) == (self.position, 0, generation)

    @rule(start=st.integers(0, 30), epoch=st.sampled_from("ef"))
    def restart(self, start: int, epoch: str) -> None:
        generation = self.tail.generation
        self.tail.restart(epoch, start=start)
        self.log, self.position, self.begun = {}, start, start
        assert (self.tail.epoch, self.tail.start, len(self.tail)) == (epoch, start, 0)
        assert self.tail.generation == generation + 1

    @precondition(lambda self: self.tail.start <= self.position)
    @rule(data=st.data())
    def read(self, data: Any) -> None:
        """All of the channels' frames after the cursor, ascending, up to the place that is named, and no further."""
        cursor = data.draw(st.integers(self.tail.start, self.position))
        channels = data.draw(st.lists(st.sampled_from(CHANNELS), unique=True))
        max_events = data.draw(st.integers(1, 6))
        max_bytes = data.draw(st.sampled_from((1, 100, 500, 10**9)))
        frames, upto = self.tail.after(cursor, channels, max_events=max_events, max_bytes=max_bytes)
        wanted = [one for one in self._held(cursor, upto) if one.channel in channels]
        assert frames == wanted
        assert cursor <= upto <= self.position
        assert upto > cursor or cursor == self.position
        assert len(frames) <= max_events
        assert sum(len(one.block) for one in frames) <= max_bytes or len(frames) == 1
        if upto < self.position:
            assert frames[-1].id == upto

    def _held(self, after: int, upto: int) -> list[Frame]:
        return [self.log[place] for place in range(after + 1, upto + 1) if place in self.log]

    @invariant()
    def bounded_and_contiguous(self) -> None:
        """It holds exactly `(start, position]`, within its bounds, and holds as much as they allow."""
        if not hasattr(self, "tail"):
            return
        tail = self.tail
        held = self._held(tail.start, tail.position)
        assert tail.position == self.position
        assert len(tail) == len(held) <= self.max_events
        assert tail.size_bytes == sum(len(one.block) + FRAME_OVERHEAD_BYTES for one in held) <= self.max_bytes
        if tail.start > self.begun and len(tail) < self.max_events:
            older = self.log.get(tail.start) or made(0, size=10**6)
            assert tail.size_bytes + len(older.block) + FRAME_OVERHEAD_BYTES > self.max_bytes

    @invariant()
    def what_was_evicted_leaves_memory(self) -> None:
        """At once its bytes; its place in the index at the next compaction, which is never far."""
        if hasattr(self, "tail"):
            for held in self.tail._by_channel.values():
                assert len(held.ids) == len(held.frames)
                assert not any(one.block for one in held.frames[: held.head])
                assert held.head <= max(COMPACT_AT, len(held.ids) / 2)
            assert sum(len(held.ids) - held.head for held in self.tail._by_channel.values()) == len(self.tail)


TestTailModel = TailModel.TestCase
TestTailModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 20))
def test_pages_join_without_gap_or_overlap(lanes: list[int], limit: int) -> None:
    """Reading on from where the last page ended gives everything once, whatever the limit."""
    tail = Tail(max_events=1000, max_bytes=10**9)
    tail.restart("e", start=0)
    frames = [made(place, CHANNELS[lane]) for place, lane in enumerate(lanes, 1)]
    tail.extend(1, frames)
    got: list[Frame] = []
    cursor = 0
    while cursor < tail.position:
        page, cursor = tail.after(cursor, CHANNELS[:3], max_events=limit, max_bytes=10**9)
        got += page
    assert got == [one for one in frames if one.channel in CHANNELS[:3]]


def test_a_frame_larger_than_the_limit_is_still_read() -> None:
    """A limit in bytes never stops a stream for good."""
    tail = Tail(max_events=10, max_bytes=10**6)
    tail.restart("e", start=0)
    tail.extend(1, [made(1, size=5000), made(2, size=5000)])
    frames, upto = tail.after(0, ("topic:all",), max_events=10, max_bytes=100)
    assert ([one.id for one in frames], upto) == ([1], 1)


def test_a_frame_larger_than_the_whole_tail_passes_through() -> None:
    """The position moves; who has not read it reads the log."""
    tail = Tail(max_events=10, max_bytes=1000)
    tail.restart("e", start=0)
    assert tail.extend(1, [made(1, size=5000)])
    assert (tail.start, tail.position, len(tail), tail.size_bytes) == (1, 1, 0, 0)


@pytest.mark.parametrize("events", [1, 100, 5000])
def test_a_lane_costs_what_it_holds(events: int) -> None:
    """A busy channel in a small tail: evicted frames are let go as it runs."""
    tail = Tail(max_events=10, max_bytes=10**9)
    tail.restart("e", start=0)
    for position in range(1, events + 1):
        tail.extend(position, [made(position)])
    assert len(tail) == min(events, 10)
    assert all(len(held.frames) <= 2 * 10 + COMPACT_AT for held in tail._by_channel.values())


def test_an_empty_extension_changes_nothing() -> None:
    """Such as the hint of a batch too large to announce, once the tail has it."""
    tail = filled(5)
    for position in (6, 3):
        added = tail.extend(position, [])
        assert not isinstance(added, Hole)
        assert list(added) == []
    assert tail.extend(7, []) == Hole(5, 7)
    assert tail.position == 5


def _erasing(position: int, kind: str, erases: int) -> Frame:
    return frame(Event(position, "topic:x", kind, b"{}", 1, silent=True, erases=erases), "e")


def _contents(tail: Tail) -> list[tuple[int, bool]]:
    """Each place of topic:x, and whether it has content."""
    found, _ = tail.after(0, ["topic:x"], max_events=100, max_bytes=10**6)
    return [(one.id, bool(one.block)) for one in found]


def test_what_is_recalled_loses_its_content_only() -> None:
    """Of that place and that channel. The size falls with it, and evicting it later does not count it twice."""
    tail = Tail(max_events=6, max_bytes=10**6)
    tail.restart("e", start=0)
    tail.extend(1, [made(1, "topic:x", 100), made(2, "topic:y", 100), made(3, "topic:x", 100)])
    before = tail.size_bytes
    told = _erasing(4, "!recalled", 1)
    tail.extend(4, [told])
    assert _contents(tail) == [(1, False), (3, True), (4, True)]
    assert tail.after(0, ["topic:y"], max_events=9, max_bytes=10**6)[0] == [made(2, "topic:y", 100)]
    assert tail.size_bytes == before - len(made(1, "topic:x", 100).block) + len(told.block) + FRAME_OVERHEAD_BYTES
    # Told of what was evicted, or of what the log gave as a tombstone: nothing happens.
    tail.extend(5, [_erasing(5, "!recalled", 1), _erasing(6, "!recalled", 2)])
    tail.extend(7, [made(place) for place in range(7, 13)])
    assert tail.size_bytes == sum(len(one.block) + FRAME_OVERHEAD_BYTES for one in tail._order)


def test_what_is_erased_loses_everything_of_its_channel() -> None:
    tail = filled(20)
    places = [place for place, _ in _contents(tail)]
    others = tail.after(0, ["topic:all"], max_events=100, max_bytes=10**6)
    tail.extend(21, [_erasing(21, "!erased", 20), made(22, "topic:x")])
    assert _contents(tail) == [*((place, False) for place in places), (21, False), (22, True)]
    assert tail.after(0, ["topic:all"], max_events=100, max_bytes=10**6)[0] == others[0]


def test_the_last_one_alone_is_gone_when_the_tail_begins_anew() -> None:
    """At the very place behind which it came: there is nothing any more."""
    tail = filled(3)
    tail.extend(4, [made(4)])
    assert [one.id for one in tail.after(3, ("topic:all",), max_events=9, max_bytes=9999)[0]] == [4]
    tail.skip(3)
    assert tail.after(3, ("topic:all",), max_events=9, max_bytes=9999) == ([], 3)
