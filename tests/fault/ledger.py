"""The record of a run: what was published, what each client saw, and the times that recovery took.

Filled by publishers, clients and the scribe; read by the judge. Keeps little for each sighting: there are millions.
"""

import time
from collections import Counter, defaultdict, deque
from hashlib import blake2b
from typing import Any

import msgspec

from notify_sse.core.cursor import Cursor
from tests.support.checker import History, Outcome, Published, Reader
from tests.support.contract import channel_of

_encode = msgspec.json.Encoder(order="deterministic").encode


RECALLABLE = 300
ORPHANS = "orphans"
HEALED_S = 3.0
"""After a fault is undone, until connections are back and what waited is through."""


def content_of(document: dict[str, Any]) -> int:
    """A number that is the same for documents in which nobody could see a difference."""
    return int.from_bytes(blake2b(_encode(document), digest_size=8).digest())


class Times:
    """Durations of one kind, in seconds."""

    def __init__(self) -> None:
        self.all: list[float] = []

    def add(self, seconds: float) -> None:
        self.all.append(seconds)

    def percentile(self, share: float) -> float:
        """The smallest that `share` of all do not exceed; NaN when there are none."""
        if not self.all:
            return float("nan")
        ordered = sorted(self.all)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def summary(self) -> tuple[int, float, float, float]:
        """How many, p50, p99 and the longest."""
        return len(self.all), self.percentile(0.5), self.percentile(0.99), max(self.all, default=0.0)


class Recallable(msgspec.Struct, frozen=True):
    """What may be taken back: a notification that was accepted a while ago."""

    notification_id: str
    notification_type: str
    channel: str

    @property
    def address(self) -> dict[str, str]:
        """Whose it is, as a notification says it."""
        kind, _, name = self.channel.partition(":")
        return {"recipient_id" if kind == "recipient" else "topic": name}


class Ledger:
    """Everything that a run records."""

    def __init__(self) -> None:
        self.history = History(published=[], readers=[], places={}, withdrawn=set())
        self.accepted = 0
        self.delivered = 0
        self.seen = Counter[str]()
        """What clients met: drops, closings by reason, resets by reason, …"""
        self.answers = Counter[int]()
        self.latest: dict[str, int] = defaultdict(int)
        """Channel → the highest position of it that anybody knows."""
        self.head = 0
        self.started = time.monotonic()
        self.answered_at: dict[str, float] = {}
        """notification_id → when it was accepted, in seconds from the start: to find what was broken then."""
        self.broken = 0
        """How many faults are under way."""
        self.healed_at = 0.0
        self.times: dict[str, Times] = defaultdict(Times)
        self.expired_upto = 0
        """The highest place before which a reader was told that all may be gone."""
        self.orphans: dict[str, tuple[float, str, set[str]]] = {}
        """Committed without an announcement: notification_id → when, channel, the readers that wait for it."""
        self.recallable: deque[Recallable] = deque(maxlen=RECALLABLE)
        self.recalls: set[str] = set()
        """Those whose recall was accepted."""
        self._recalling: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def published(self, document: dict[str, Any], *, publisher: str, outcome: Outcome, ordered: bool = True) -> None:
        """One publish and its answer."""
        if outcome == "accepted":
            self.accepted += 1
            self.answered_at[self.one(document["notification_id"])] = self.now()
            if publisher != ORPHANS:  # somebody waits for each of these
                self.recallable.append(
                    Recallable(document["notification_id"], document["notification_type"], channel_of(document))
                )
        self.seen[f"published {outcome}"] += 1
        self.history.published.append(
            Published(
                self.one(document["notification_id"]),
                self.one(channel_of(document)),
                content_of(document),
                publisher,
                outcome,
                ordered=ordered,
                may_expire="expires_at" in document,
            )
        )

    def now(self) -> float:
        """Seconds from the start."""
        return time.monotonic() - self.started

    def reader(self, name: str, channels: frozenset[str]) -> Reader:
        """A new reader."""
        reader = Reader(name, channels, [])
        self.history.readers.append(reader)
        return reader

    def place(self, notification_id: str, position: int, channel: str) -> None:
        """The log has it there."""
        self.history.places[self.one(notification_id)] = position
        self.know(channel, position)

    def recalling(self, one: Recallable) -> None:
        """`one` is about to be taken back: from now on it may be missed."""
        self.history.recalled.add(self.one(one.notification_id))
        self._recalling[one.notification_id] = one.channel

    def channel_of_recalled(self, notification_id: str) -> str:
        """A recall's event says only the id."""
        return self.one(self._recalling.get(notification_id, "nobody took it back"))

    def own_event(self, name: str, position: int, channel: str, data: dict[str, Any]) -> None:
        """The service wrote a mark or a recall to the log there. It is owed to the channel's readers like the rest."""
        self.history.published.append(
            Published(self.one(name), self.one(channel), content_of(data), "the service", "accepted", ordered=False)
        )
        self.place(name, position, channel)

    def know(self, channel: str, position: int) -> None:
        self.latest[channel] = max(self.latest[channel], position)
        self.head = max(self.head, position)

    def one(self, text: str) -> str:
        """The same string object for equal strings: a sighting is then small."""
        return self._ids.setdefault(text, text)

    def behind(self, cursor: Cursor | None, channels: frozenset[str]) -> bool:
        """Whether a reader at `cursor` has missed something that somebody knows of."""
        return cursor is not None and any(self.latest.get(channel, 0) > cursor.position for channel in channels)

    def unstored(self) -> list[str]:
        """What was accepted and is not seen in the log: over AMQP, it may still be in the queue."""
        places, withdrawn = self.history.places, self.history.withdrawn
        accepted = (one.notification_id for one in self.history.published if one.outcome == "accepted")
        return [one for one in accepted if one not in places and one not in withdrawn]

    def orphan(self, notification_id: str, *, at: float, channel: str, readers: set[str]) -> None:
        """`notification_id` was committed at `at`, and nobody announced it."""
        if readers:
            self.orphans[notification_id] = (at, channel, readers)

    def arrived(self, notification_id: str, *, reader: str, now: float) -> None:
        """A reader has an orphan: the time counts to the last of those that were connected."""
        at, _, waiting = self.orphans[notification_id]
        waiting.discard(reader)
        if not waiting:
            del self.orphans[notification_id]
            self.time("committed, never announced", since=at, now=now)

    def time(self, name: str, *, since: float, now: float) -> None:
        """A recovery from `since` to `now`; once more by itself when nothing was broken around it."""
        self.times[name].add(now - since)
        if not self.broken and since > self.healed_at + HEALED_S:
            self.times[f"{name}, nothing else broken"].add(now - since)

    def told(self, reason: str, *, to: Cursor, forged: bool) -> None:
        """A reader was told of a reset. There is but one log in a run, and `expired` speaks of its floor only."""
        self.seen[f"reset {reason}"] += 1
        if reason == "expired":
            self.expired_upto = max(self.expired_upto, to.position)
        elif not forged:
            self.seen["resets for another log, with a cursor of this one"] += 1

    def departed(self, reader: str, channels: frozenset[str]) -> None:
        """A reader dropped its connection: the orphans do not count for it, it has its own recovery time."""
        for notification_id, (_, channel, waiting) in list(self.orphans.items()):
            if channel in channels and reader in waiting:
                waiting.discard(reader)
                if not waiting:
                    del self.orphans[notification_id]
