"""The tail: the newest stretch of the log, in memory, shared by every stream of a gateway process.

Contiguous over `(start, position]`, bounded in events and bytes, indexed by channel, every event already a frame.
Extended by the relay; read by streams. Pure and synchronous: `extend` decides, it never waits. The ideas are in
docs/explanation/log-tail-cursor.md.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Collection, Sequence
from itertools import takewhile
from operator import attrgetter
from typing import Final

import msgspec

from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, emptied
from notify_sse.core.model import ERASED

FRAME_OVERHEAD_BYTES: Final = 250
"""What a frame costs beside its data: the struct, its strings, its places in the index."""

COMPACT_AT: Final = 16
"""Evicted places that a channel keeps before it is worth moving the others up."""

_by_id = attrgetter("id")
_EVICTED: Final = Frame(0, "", "", 0, b"", 0)


class Hole(msgspec.Struct, frozen=True):
    """What was offered does not follow the tail: events from `position + 1` to before `first` are missing."""

    position: int
    first: int


class _ChannelFrames:
    """One channel's frames, ascending. The first `head` places are evicted already and go at the next compaction."""

    __slots__ = ("frames", "head", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.frames: list[Frame] = []
        self.head = 0

    def replace(self, frame: Frame) -> None:
        """Put `frame` in the place of the one with its id."""
        self.frames[bisect_left(self.ids, frame.id, self.head)] = frame

    def prepend(self, frames: list[Frame]) -> None:
        """Put `frames`, ascending, before the others."""
        self.ids[: self.head] = [frame.id for frame in frames]
        self.frames[: self.head] = frames
        self.head = 0

    def at(self, place: int) -> Frame | None:
        """The frame with the id `place`."""
        found = bisect_left(self.ids, place, self.head)
        return self.frames[found] if found < len(self.ids) and self.ids[found] == place else None

    def upto(self, position: int) -> list[Frame]:
        """The frames up to `position`."""
        return self.frames[self.head : bisect_right(self.ids, position, self.head)]

    def evict(self) -> bool:
        """Forget the oldest. Returns whether the channel is empty now. Amortised O(1)."""
        self.frames[self.head] = _EVICTED  # its bytes are free at once, whenever the place is
        self.head += 1
        if self.head == len(self.ids):
            return True
        if self.head > COMPACT_AT and self.head * 2 > len(self.ids):
            del self.ids[: self.head]
            del self.frames[: self.head]
            self.head = 0
        return False


class Tail:
    """The newest stretch of the log of `epoch`.

    `generation` counts the breaks (another log, or a log that went back): whatever was known of positions before
    a break has to be checked again.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.epoch = ""
        self.start = 0
        self.position = 0
        self.floor = 0
        """The log's, as of the last comparison with it: retention has removed everything up to there."""
        self.generation = 0
        self.size_bytes = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._order: deque[Frame] = deque()
        self._by_channel: dict[str, _ChannelFrames] = {}
        self._alone: Frame | None = None
        """What came last, if it was one frame; `_alone_after` was the position then."""
        self._alone_after = 0

    def __len__(self) -> int:
        return len(self._order)

    @property
    def cursor(self) -> Cursor:
        """The cursor of one who has seen everything."""
        return Cursor(self.epoch, self.position)

    def restart(self, epoch: str, *, start: int) -> None:
        """Begin anew after `start` of the log of `epoch`: at the start, for another log, or for one that went back."""
        self.epoch = epoch
        self.generation += 1
        self.skip(start)

    def skip(self, start: int) -> None:
        """Go on after `start` of the same log, because what lay before it is gone. Cursors stay valid."""
        self.start = self.position = start
        self.size_bytes = 0
        self._alone = None
        self._order.clear()
        self._by_channel.clear()

    def extend(self, first: int, frames: Sequence[Frame], *, upto: int = 0) -> Sequence[Frame] | Hole:
        """Add `frames`, ascending: all that the log has from id `first` to id `upto` (by default to the last of them).
        Returns those that were new.

        Ids between them may be missing: an event that was erased leaves a gap, and the position passes it. What lies at
        or below `position` is a duplicate and is dropped. What lies beyond `position + 1` is a `Hole`, and nothing is
        added.
        """
        # Beyond the next id: something is missing in between. Taking these would let cursors pass what is missing.
        if first > self.position + 1:
            return Hole(self.position, first)
        # An announcement may be repeated, or overlap what was read from the log: keep only what is new.
        new = frames if first > self.position else [one for one in frames if one.id > self.position]
        for frame in new:
            of_channel = self._by_channel.get(frame.channel)
            if of_channel is None:
                of_channel = self._by_channel[frame.channel] = _ChannelFrames()
            of_channel.ids.append(frame.id)
            of_channel.frames.append(frame)
            self.size_bytes += len(frame.block) + FRAME_OVERHEAD_BYTES
        self._order.extend(new)
        self._alone, self._alone_after = new[0] if len(new) == 1 else None, self.position
        # The position moves before anything is evicted: streams compare their cursors with both ends. It is an id, and
        # not a count of events.
        self.position = max(self.position, upto, new[-1].id if new else 0)
        for frame in new:
            if frame.erases:
                self._erase(frame)
        self._evict()
        return new

    def prepend(self, frames: Sequence[Frame], *, known: int) -> int:
        """Add `frames`, ascending, before all others: all that the log has from the first of them up to `start`, read
        when its position was `known`. Takes the newest of them, as many as there is room for; returns how many.
        """
        taken: deque[Frame] = deque()
        places: dict[str, list[Frame]] = {}
        for frame in reversed(frames):
            size = len(frame.block) + FRAME_OVERHEAD_BYTES
            if len(self) + len(taken) >= self._max_events or self.size_bytes + size > self._max_bytes:
                break
            self.size_bytes += size
            taken.appendleft(frame)
        for frame in taken:
            places.setdefault(frame.channel, []).append(frame)
        for channel, of_channel in places.items():
            self._by_channel.setdefault(channel, _ChannelFrames()).prepend(of_channel)
        if taken:
            self.start = taken[0].id - 1
            self._alone = None
        self._order.extendleft(reversed(taken))
        self._erase_again(known)
        return len(taken)

    def _erase_again(self, known: int) -> None:
        """What was read before it was erased came in after it was told: its content goes now."""
        for told in reversed(self._order):
            if told.id <= known:
                return
            if told.erases:
                self._erase(told)

    def at(self, channel: str, place: int) -> Frame | None:
        """The frame with the id `place` on `channel`, if the tail has it."""
        of_channel = self._by_channel.get(channel)
        return of_channel.at(place) if of_channel else None

    def since(self, place: int) -> list[Frame]:
        """The frames from the id `place` on, ascending."""
        return list(takewhile(lambda one: one.id >= place, reversed(self._order)))[::-1]

    def after(
        self, position: int, channels: Collection[str], *, max_events: int, max_bytes: int
    ) -> tuple[list[Frame], int]:
        """The next frames on `channels` after `position`, and the position up to which that is all of them.

        Only for `start <= position`. At most `max_events` and about `max_bytes`; at least one frame when there is any.
        """
        # A broadcast is this for every stream: one frame came, and each has seen what lay before it.
        alone = self._alone
        if alone is not None and position == self._alone_after:
            return ([alone] if alone.channel in channels else []), self.position
        found: list[Frame] = []
        contributing = 0
        for channel in channels:
            of_channel = self._by_channel.get(channel)
            if of_channel is None or of_channel.ids[-1] <= position:
                continue
            place = bisect_right(of_channel.ids, position, of_channel.head)
            # One more than the limit: so that `_cut` sees that there is more.
            found += of_channel.frames[place : place + max_events + 1]
            contributing += 1
        # Each channel is in order by itself; several have to be merged.
        if contributing > 1:
            found.sort(key=_by_id)
        return self._cut(found, max_events=max_events, max_bytes=max_bytes)

    def _cut(self, found: list[Frame], *, max_events: int, max_bytes: int) -> tuple[list[Frame], int]:
        size = 0
        for count, frame in enumerate(found):
            size += len(frame.block)
            if count == max_events or (count and size > max_bytes):
                return found[:count], found[count - 1].id
        return found, self.position

    def trim(self, floor: int) -> None:
        """Forget what retention has removed from the log: a cursor below `floor` has to be told so, by the log."""
        self.floor = floor
        while self._order and self._order[0].id <= floor:
            self._evict_oldest()
        self.start = max(self.start, min(floor, self.position))

    def _erase(self, told: Frame) -> None:
        """Drop the content that `told` says was erased from the log. Its places stay."""
        of_channel = self._by_channel[told.channel]
        lowest = 0 if told.type == ERASED else told.erases
        for frame in of_channel.upto(told.erases):
            if frame.id < lowest or not frame.block:
                continue
            empty = emptied(frame)
            of_channel.replace(empty)
            self._order[bisect_left(self._order, frame.id, key=_by_id)] = empty
            self.size_bytes -= len(frame.block)

    def _evict(self) -> None:
        while len(self._order) > self._max_events or (self.size_bytes > self._max_bytes and self._order):
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        oldest = self._order.popleft()
        self.start = oldest.id
        self.size_bytes -= len(oldest.block) + FRAME_OVERHEAD_BYTES
        if self._by_channel[oldest.channel].evict():
            del self._by_channel[oldest.channel]
