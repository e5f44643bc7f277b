"""Judges a history: was the promise kept?

Every accepted notification is received exactly once, in order, by each reader entitled to it, or lies in a range that a
`reset` told of. Nothing foreign, nothing that was never published, the same id with the same content everywhere, and
the cursor never jumps without a `reset`. What got no answer (unknown) appears at most once.

Pure: takes records, returns violations. The simulation and the campaign with real faults fill the same records. A
history is complete once every reader had time to catch up: what it has not received then counts as lost.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from notify_sse.core.cursor import Cursor

Outcome = Literal["accepted", "refused", "unknown"]
Kind = Literal["lost", "repeated", "reordered", "foreign", "phantom", "different", "missing_reset"]
KINDS: tuple[Kind, ...] = ("lost", "repeated", "reordered", "foreign", "phantom", "different", "missing_reset")


class Published(msgspec.Struct, frozen=True):
    """One publish. `content` is anything that compares equal exactly when recipients should see no difference.

    `outcome`: accepted (confirmed or 2xx), refused (4xx, or in the dead letters), unknown (no answer, or not asked
    long enough). `ordered`: the publisher had the answer to its `ordered` publish before. `may_expire`: it has an
    `expires_at` within the run, so that readers may miss it.
    """

    notification_id: str
    channel: str
    content: object
    publisher: str
    outcome: Outcome
    ordered: bool = True
    may_expire: bool = False


class Connected(msgspec.Struct, frozen=True):
    """A stream was opened with the cursor `brought` ("" for none), and said that it stands at `cursor`."""

    brought: str
    cursor: Cursor


class Seen(msgspec.Struct, frozen=True):
    """A notification was received, with `cursor` as its id."""

    cursor: Cursor
    notification_id: str
    channel: str
    content: object


class Beat(msgspec.Struct, frozen=True):
    """A control event said that everything up to `cursor` has been sent (heartbeat, expiring, closing)."""

    cursor: Cursor


class ResetTold(msgspec.Struct, frozen=True):
    """The stream said that what lay before `to` may be lost; `came` is None when the reader's cursor was none."""

    reason: str
    came: Cursor | None
    to: Cursor


Sighting = Connected | Seen | Beat | ResetTold


class Reader(msgspec.Struct):
    """One client, through all its connections. `sightings` in the order in which it received them."""

    name: str
    channels: frozenset[str]
    sightings: list[Sighting] = []


class History(msgspec.Struct):
    """Everything that a run recorded.

    `published` in the order of the answers. `places`: where the log has them, notification_id → position, as far as it
    is known beside the sightings (receipts, a dump of the log). `withdrawn`: accepted, but cut away from the log since
    by an operator who restored an older copy; they are owed to nobody, and may have come twice. `recalled`: taken back
    since, so that whoever comes later misses them.
    """

    published: list[Published] = []
    readers: list[Reader] = []
    places: dict[str, int] = {}
    withdrawn: set[str] = set()
    recalled: set[str] = set()


class Violation(msgspec.Struct, frozen=True):
    """One broken promise, to whom, about what."""

    kind: Kind
    who: str
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.who}: {self.what}: {self.detail}"


def check(history: History) -> list[Violation]:
    """Every violation in `history`; none means that the promise was kept."""
    places = _places(history)
    owed = _owed(history, places)
    violations = list(_never_stored(history, places))
    violations += _publishers_order(history, places)
    violations += _same_everywhere(history)
    books = _books(history.published)
    for reader in history.readers:
        violations += _Reading(reader, books, history.withdrawn).violations(owed)
    return violations


def counts(violations: Sequence[Violation]) -> dict[Kind, int]:
    """How many of each kind, zeros included."""
    tally = Counter(violation.kind for violation in violations)
    return {kind: tally[kind] for kind in KINDS}


def _books(published: Sequence[Published]) -> dict[str, list[Published]]:
    """What may be received under each notification_id. (One that is refused for a conflict shares its id with the
    original.)
    """
    books: dict[str, list[Published]] = defaultdict(list)
    for one in published:
        if one.outcome != "refused":
            books[one.notification_id].append(one)
    return books


def _places(history: History) -> dict[str, int]:
    """notification_id → position, of those that are in the log to stay."""
    places = {
        sighting.notification_id: sighting.cursor.position
        for reader in history.readers
        for sighting in reader.sightings
        if isinstance(sighting, Seen) and sighting.notification_id not in history.withdrawn
    }
    return places | history.places


def _owed(history: History, places: Mapping[str, int]) -> dict[str, list[tuple[int, str]]]:
    """Channel → what each of its readers has to receive, by position.

    What got no answer but is in the log is owed as well: who reads it later, or elsewhere, must not differ. (Unless it
    is not known which of several under its id that is.)
    """
    owed: dict[str, list[tuple[int, str]]] = defaultdict(list)
    channels: dict[str, set[str]] = defaultdict(set)
    for one in history.published:
        if one.outcome != "refused":
            channels[one.notification_id].add(one.channel)
    for one in history.published:
        certain = one.outcome == "accepted" or (one.outcome == "unknown" and len(channels[one.notification_id]) == 1)
        missable = one.may_expire or one.notification_id in history.recalled
        if certain and not missable and one.notification_id in places:
            owed[one.channel].append((places[one.notification_id], one.notification_id))
    for entries in owed.values():
        entries.sort()
    return owed


def _never_stored(history: History, places: Mapping[str, int]) -> Iterator[Violation]:
    for one in history.published:
        if one.outcome == "accepted" and not (
            one.notification_id in places or one.notification_id in history.withdrawn
        ):
            yield Violation("lost", one.publisher, one.notification_id, "accepted, but nowhere in the log")


def _publishers_order(history: History, places: Mapping[str, int]) -> Iterator[Violation]:
    """Per publisher and channel, the order of acceptance is the order of ids."""
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for one in history.published:
        place = places.get(one.notification_id)
        if one.outcome != "accepted" or not one.ordered or place is None or one.notification_id in history.withdrawn:
            continue
        before = last.get((one.publisher, one.channel))
        if before and before[0] > place:
            detail = f"accepted after {before[1]}, but at {place} in the log, before its {before[0]}"
            yield Violation("reordered", one.publisher, one.notification_id, detail)
        last[one.publisher, one.channel] = (place, one.notification_id)


def _same_everywhere(history: History) -> Iterator[Violation]:
    """A notification_id has one place and one content, whoever receives it."""
    first: dict[str, tuple[str, Seen]] = {}
    for reader in history.readers:
        for seen in reader.sightings:
            if not isinstance(seen, Seen) or seen.notification_id in history.withdrawn:
                continue
            place = history.places.get(seen.notification_id, seen.cursor.position)
            if place != seen.cursor.position:
                detail = f"received at {seen.cursor}, but the log has it at {place}"
                yield Violation("different", reader.name, seen.notification_id, detail)
            who, known = first.setdefault(seen.notification_id, (reader.name, seen))
            if known.cursor.position != seen.cursor.position and who != reader.name:
                detail = f"at {seen.cursor}, but {who} received it at {known.cursor}"
                yield Violation("different", reader.name, seen.notification_id, detail)
            if known.content != seen.content:
                detail = f"received {seen.content!r}, but {who} {known.content!r}"
                yield Violation("different", reader.name, seen.notification_id, detail)


class _Reading:
    """Goes through what one reader received, with the cursor that the promise gives it at each point."""

    def __init__(self, reader: Reader, books: Mapping[str, list[Published]], withdrawn: set[str]) -> None:
        self._reader = reader
        self._books = books
        self._withdrawn = withdrawn
        self._seen: set[str] = set()
        self._excused: list[tuple[int, int]] = []
        self._since: int | None = None
        self._at: Cursor | None = None
        self._reset_due = ""
        self._forged = False
        self._found: list[Violation] = []

    def violations(self, owed: Mapping[str, Sequence[tuple[int, str]]]) -> list[Violation]:
        for sighting in self._reader.sightings:
            if isinstance(sighting, Connected):
                self._connected(sighting)
            elif isinstance(sighting, ResetTold):
                self._reset(sighting)
            else:
                self._on_course(sighting)
        if self._since is not None:
            for channel in self._reader.channels:
                self._settle(owed.get(channel, ()), self._since)
        return self._found

    def _connected(self, sighting: Connected) -> None:
        """A stream goes on from exactly the cursor that was brought, or it begins with a `reset`."""
        self._reset_due = ""
        self._forged = bool(sighting.brought) and sighting.brought != str(self._at)
        if not sighting.brought:
            self._since = sighting.cursor.position
            self._at = sighting.cursor
        elif sighting.brought != str(sighting.cursor):
            self._reset_due = f"brought {sighting.brought}, but goes on at {sighting.cursor}"

    def _reset(self, sighting: ResetTold) -> None:
        """What lay before `to` is excused: from where the reader stood, or all of it when the log is another one."""
        self._reset_due = ""
        if self._forged:
            self._begin_anew(sighting.to)
            return
        start = 0
        if sighting.reason == "expired" and self._at:
            start = self._at.position
            if sighting.to.position < start:
                self._blame("reordered", str(sighting.to), f"a reset back from {self._at}")
        self._excused.append((start, sighting.to.position))
        self._at = sighting.to

    def _begin_anew(self, to: Cursor) -> None:
        """It brought a cursor that it never got. The promise holds from here on."""
        self._forged = False
        self._seen.clear()
        self._excused.clear()
        self._since = to.position
        self._at = to

    def _on_course(self, sighting: Seen | Beat) -> None:
        what = sighting.notification_id if isinstance(sighting, Seen) else f"cursor {sighting.cursor}"
        if self._reset_due:
            self._blame("missing_reset", what, self._reset_due)
            self._reset_due = ""
        elif self._at and sighting.cursor.epoch != self._at.epoch:
            self._blame("missing_reset", what, f"from {self._at} to {sighting.cursor} without a reset")
        if isinstance(sighting, Seen):
            self._receive(sighting)
        elif self._at and sighting.cursor.position < self._at.position:
            self._blame("reordered", what, f"the cursor went back from {self._at}")
        self._at = sighting.cursor

    def _receive(self, seen: Seen) -> None:
        name = seen.notification_id
        if name in self._seen and name not in self._withdrawn:
            self._blame("repeated", name, f"again at {seen.cursor}")
        elif self._at and seen.cursor.position <= self._at.position:
            self._blame("reordered", name, f"at {seen.cursor}, after {self._at}")
        self._seen.add(name)
        if seen.channel not in self._reader.channels:
            self._blame("foreign", name, f"is on {seen.channel}")
        self._compare(seen, self._books.get(name, ()))

    def _compare(self, seen: Seen, books: Sequence[Published]) -> None:
        """It must be something that was published under this id; and what was accepted must not be something else."""
        name = seen.notification_id
        others = [one for one in books if one.content != seen.content or one.channel != seen.channel]
        if not books:
            self._blame("phantom", name, "was never published, or was refused")
        elif len(others) == len(books):
            self._blame("different", name, f"received {seen.content!r}, published {books[0].content!r}")
        elif name not in self._withdrawn and any(one.outcome == "accepted" for one in others):
            self._blame("different", name, f"received {seen.content!r}, but other content was accepted too")

    def _settle(self, owed: Sequence[tuple[int, str]], since: int) -> None:
        first = bisect_right(owed, since, key=lambda entry: entry[0])
        for position, name in owed[first:]:
            if name not in self._seen and not any(start < position <= end for start, end in self._excused):
                self._blame("lost", name, f"never received; the log has it at {position}")

    def _blame(self, kind: Kind, what: str, detail: str) -> None:
        self._found.append(Violation(kind, self._reader.name, what, detail))
