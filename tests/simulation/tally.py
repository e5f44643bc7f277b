"""What happened in a run, counted: which faults struck, and which defences answered.

Stands in for `Metrics` as well (one object for all processes, without a Prometheus registry, which would take longer to
make than the whole run).
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from notify_sse.core.ports import Stored

DEFENCES: Final = (
    "holes found",
    "stretches read",
    "duplicates dropped",
    "cold pages",
    "warm pulls",
    "fell asleep",
    "woken",
    "tail evicted",
    "tail skipped",
    "log broke off",
    "lost events found out",
    "reset expired",
    "reset unknown_epoch",
    "reset ahead_of_log",
    "appended duplicate",
    "appended conflict",
    "append retried",
    "redelivered",
    "dead letters",
    "dead letter failed",
    "refused batch isolated",
    "caught up for a cursor",
    "given back",
    "published without an id",
    "marked",
    "recalled",
    "unread compared",
    "closed slow_consumer",
    "closed drain",
    "closed token_expired",
)
FAULTS: Final = (
    "crash",
    "freeze",
    "drain",
    "broker away",
    "link cut",
    "store away",
    "outcome unknown",
    "announcement lost",
    "announcement repeated",
    "announcement late",
    "confirm lost",
    "answer lost",
    "retention",
    "new epoch",
    "log went back",
    "by hand",
    "client drop",
    "client stall",
    "forged cursor",
)


class Count:
    """One counter, as far as the core uses `prometheus_client.Counter`."""

    __slots__ = ("_name", "_tally")

    def __init__(self, tally: Counter[str], name: str) -> None:
        self._tally = tally
        self._name = name

    def inc(self, amount: float = 1) -> None:
        self._tally[self._name] += int(amount)


class Labelled:
    """A counter with labels; the last one is what tells them apart here."""

    __slots__ = ("_prefix", "_tally")

    def __init__(self, tally: Counter[str], prefix: str) -> None:
        self._tally = tally
        self._prefix = prefix

    def labels(self, *values: str) -> Count:
        return Count(self._tally, f"{self._prefix} {values[-1]}")

    def __getitem__(self, value: str) -> Count:
        return self.labels(value)


class Timer:
    """A histogram that does not measure."""

    def time(self) -> AbstractContextManager[None]:
        return nullcontext()

    def observe(self, seconds: float) -> None:
        assert seconds >= 0


class Times:
    """Times of appends, deliveries and streams, which nobody looks at."""

    def note(self, seconds: float, count: int = 1) -> None:
        assert count > 0, seconds


class TallyMetrics:
    """`Metrics` into a tally."""

    def __init__(self, tally: Counter[str]) -> None:
        self._tally = tally
        self.replay_seconds = Timer()
        self.append_seconds = self.since_published = self.since_committed = Times()
        self.stream_seconds = self.connect_seconds = Times()
        self.journal_lost = Count(tally, "journal entries lost")
        self.ingested = Count(tally, "ingested")
        self.expired = Count(tally, "expired")
        self.refused = Labelled(tally, "refused")
        self.dead_letters = Labelled(tally, "dead letter")
        self.resumes = Labelled(tally, "resumed")
        self.unsafe_numbers = Labelled(tally, "unsafe numbers")
        self.dead_letters_failed = Count(tally, "dead letter failed")
        self.announce_failed = Count(tally, "announce failed")
        self.announcements_unreadable = Count(tally, "announcement unreadable")
        self.foreign_epoch = Count(tally, "foreign epoch")
        self.duplicates_dropped = Count(tally, "duplicates dropped")
        self.holes_found = Count(tally, "holes found")
        self.holes_repaired = Count(tally, "stretches read")
        self.streams_opened = Labelled(tally, "opened")
        self.streams_closed = Labelled(tally, "closed")
        self.streams_refused = Labelled(tally, "stream refused")
        self.resets = Labelled(tally, "reset")
        self.pages_read = Count(tally, "cold pages")
        self.frames_sent = Count(tally, "frames sent")

    def log_is(self, epoch: str) -> None:
        assert epoch

    def count_appended(self, stored: Iterable[Stored]) -> None:
        for one in stored:
            self._tally[f"appended {one.outcome}"] += 1
