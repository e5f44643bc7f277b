"""One stream: a cursor that pulls. Cold (read the log) → warm (read the tail) → asleep (until the hub wakes it).

A stream has no queue: a slow client is only a cursor that lags. Pure and synchronous; reading the tail and falling
asleep are one step, so that nothing can arrive between them. Whoever drives it (the
gateway's pump) does the I/O that `pull` asks for.
"""

from enum import Enum, auto
from typing import Final

import msgspec

from notify_sse.core.channels import named_topics
from notify_sse.core.control import Reset, ResetReason
from notify_sse.core.cursor import Cursor, parse_cursor
from notify_sse.core.frames import Frame
from notify_sse.core.tail import Tail

MAX_PULL_EVENTS: Final = 500
MAX_PULL_BYTES: Final = 262_144


class StreamState(Enum):
    """Where a stream stands that has nothing to send."""

    COLD = auto()  # the tail does not reach back to the cursor: read a page of the log
    ASLEEP = auto()  # everything is sent: wait for the hub


class Stream:
    """The cursor of one client over `channels` (its recipient's, `topic:all`, granted topics).

    `position` and `epoch` are its cursor. While `asleep`, nothing on its channels lies between `position` and that of
    the tail: the hub wakes it in the same step that extends the tail. It must have joined the hub before its first
    `pull`. `generation` is the tail's when the cursor was last checked against a break of the log.
    """

    __slots__ = ("asleep", "channels", "epoch", "generation", "position")

    def __init__(self, channels: tuple[str, ...], cursor: Cursor, *, generation: int) -> None:
        self.channels = channels
        self.epoch = cursor.epoch
        self.position = cursor.position
        self.generation = generation
        self.asleep = False

    def pull(self, tail: Tail, *, now_ms: int) -> list[Frame] | StreamState | Reset:
        """The next frames to send (possibly none: pull again), or what has to happen first.

        `now_ms`: Unix time; a notification that expired before it is passed over.
        """
        # The log broke off since this cursor was last checked: it may be of another log, or ahead of this one.
        if self.generation != tail.generation and (reset := self._after_break(tail)):
            return reset
        if self.position < tail.start:
            return StreamState.COLD
        # Falling asleep belongs to the same step as the comparison: an await in between would lose what comes then.
        if self.sleeps(tail):
            return StreamState.ASLEEP
        frames, self.position = tail.after(
            self.position, self.channels, max_events=MAX_PULL_EVENTS, max_bytes=MAX_PULL_BYTES
        )
        return _alive(frames, now_ms)

    def sleeps(self, tail: Tail) -> bool:
        """Fall asleep if all that the tail has was pulled. In the same step as the `pull`."""
        if self.position >= tail.position:
            self.asleep = True
            return True
        return False

    def read(self, frames: list[Frame], *, epoch: str, floor: int, upto: int, now_ms: int) -> list[Frame] | Reset:
        """Take a page of the log that was read from this cursor; returns what to send of it.

        A page of another log says nothing about this one: it is dropped (the next `pull` tells of the break).
        """
        if epoch != self.epoch:
            return []
        if self.position < floor:
            return self._move_to(Cursor(epoch, floor), "expired")
        fresh = [frame for frame in frames if frame.id > self.position]
        self.position = max(self.position, upto)
        return _alive(fresh, now_ms)

    def rewind(self, position: int) -> None:
        """Only what lies up to `position` was sent of what was pulled: the rest is pulled again."""
        self.position = min(self.position, position)

    def wake(self, before: int) -> None:
        """The hub's: something on its channels follows position `before`, up to which a sleeper has seen all."""
        self.asleep = False
        self.position = max(self.position, before)

    def seen(self, tail: Tail) -> Cursor:
        """The cursor to tell the client: a sleeper has seen all that the tail has."""
        if self.asleep and self.generation == tail.generation:
            self.position = max(self.position, tail.position)
        return Cursor(self.epoch, self.position)

    def _after_break(self, tail: Tail) -> Reset | None:
        self.generation = tail.generation
        if self.epoch != tail.epoch:
            return self._move_to(tail.cursor, "unknown_epoch")
        if self.position > tail.position:
            return self._move_to(tail.cursor, "ahead_of_log")
        return None

    def _move_to(self, to: Cursor, reason: ResetReason) -> Reset:
        came = Cursor(self.epoch, self.position)
        self.epoch, self.position = to.epoch, to.position
        return Reset(reason, came, to, named_topics(self.channels))


def _alive(frames: list[Frame], now_ms: int) -> list[Frame]:
    for frame in frames:
        if frame.expires_ms:
            return [one for one in frames if not 0 < one.expires_ms <= now_ms]
    return frames


class Placed(msgspec.Struct, frozen=True):
    """Where a client goes on: `cursor`, and the `reset` that it has to be told first, if any."""

    cursor: Cursor
    reset: Reset | None = None


def resume(last_event_id: str | None, tail: Tail, *, topics: tuple[str, ...] = ()) -> Placed:
    """Where a client with `last_event_id` goes on: its own cursor when that is of this log, else a reset.

    Without one it starts now. A cursor beyond the tail must have been compared with the log's head before: here
    it counts as ahead of the log. `topics`: those that the client named, for the reset.
    """
    if not last_event_id:
        return Placed(tail.cursor)
    cursor = parse_cursor(last_event_id)
    if cursor is None or cursor.epoch != tail.epoch:
        return Placed(tail.cursor, Reset("unknown_epoch", cursor, tail.cursor, topics))
    if cursor.position > tail.position:
        return Placed(tail.cursor, Reset("ahead_of_log", cursor, tail.cursor, topics))
    return Placed(cursor)
