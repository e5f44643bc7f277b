"""What the service itself writes to the simulated log: read marks and recalls. Both go back with the log."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from notify_sse.core.channels import recipient_channel
from notify_sse.core.cursor import Cursor
from notify_sse.core.erasure import Recalled
from notify_sse.core.model import GONE, OWN, PASSED_OVER_MS, READ, RECALLED, Event
from notify_sse.core.ports import Head
from notify_sse.core.read_state import Marked, Unread
from tests.support.checker import Published

WRITTEN_BY: Final = "the service"


def mark_name(serial: object) -> str:
    """How the judge calls a read mark: no notification has such an id."""
    return f"!read {serial}"


def recall_name(notification_id: object) -> str:
    """How the judge calls a recall."""
    return f"!recalled {notification_id}"


class _Change(msgspec.Struct, frozen=True):
    """A mark that was committed at `place`: `turned` are read since (or are not)."""

    place: int
    channel: str
    turned: frozenset[int]
    read: bool


class OwnEvents:
    """Over the `rows` of a log, which it appends to and erases from."""

    def __init__(self, rows: list[Event]) -> None:
        self._rows = rows
        self._read: defaultdict[str, set[int]] = defaultdict(set)
        self._changes: list[_Change] = []
        self._originals: dict[int, tuple[int, Event]] = {}
        """Place → where its recall stands, and what stood there before."""
        self.said: list[Published] = []
        """Everything that was ever written, for the judge."""
        self._names: dict[int, str] = {}
        self.places: dict[str, int] = {}
        self.ever_recalled: set[str] = set()
        self.restored: set[str] = set()
        """Those of them whose recall is gone with a log that went back."""

    def recalled_upto(self, place: int) -> int:
        """Where the recall of what stands at `place` stands in the log; 0 when it is not recalled."""
        told = self._originals.get(place)
        return told[0] if told else 0

    @property
    def any_recalled(self) -> bool:
        return bool(self._originals)

    def recall(self, row: Event, name: str, *, epoch: str) -> Recalled:
        """Erase one body, and append the event that says so."""
        if row.type == GONE:
            return Recalled(epoch, None)
        self._rows[row.id - 1] = Event(row.id, row.channel, GONE, b"", PASSED_OVER_MS, silent=True)
        told = self._append(row.channel, RECALLED, {"notification_id": name}, recall_name(name), erases=row.id)
        self._originals[row.id] = (told.id, row)
        self.ever_recalled.add(name)
        self.restored.discard(name)
        return Recalled(epoch, told)

    def mark_upto(self, recipient_id: str, position: int, *, head: Head, now_ms: float) -> Marked:
        """Everything up to `position` is read."""
        channel, reached = recipient_channel(recipient_id), min(position, len(self._rows))
        turned = [row.id for row in self._alive(channel, head.floor, now_ms) if row.id <= reached]
        told = {"upto": f"{head.epoch}.{reached}", "ids": None, "read": True}
        return self._mark(channel, self._unread_among(channel, turned), told, read=True, head=head, now_ms=now_ms)

    def mark(
        self, recipient_id: str, places: Collection[tuple[str, int]], *, read: bool, head: Head, now_ms: float
    ) -> Marked:
        """The notifications at `places`, with their ids, are read, or are not."""
        channel = recipient_channel(recipient_id)
        alive = {row.id for row in self._alive(channel, head.floor, now_ms)}
        known = self._read[channel]
        turned = {name: place for name, place in places if place in alive and (place in known) != read}
        told = {"upto": None, "ids": list(turned), "read": read}
        return self._mark(channel, turned.values(), told, read=read, head=head, now_ms=now_ms)

    def unread(self, recipient_id: str, *, head: Head, now_ms: float) -> Unread:
        """What is unread of the log as it is now."""
        channel = recipient_channel(recipient_id)
        rows = [row for row in self._alive(channel, head.floor, now_ms) if not row.silent]
        unread = set(self._unread_among(channel, (row.id for row in rows)))
        expiring = [row.expires_ms for row in rows if row.id in unread and row.expires_ms]
        at = Cursor(head.epoch, head.position)
        oldest = min(unread, default=0)
        return Unread(len(unread), at, at, oldest=oldest, expiring_ms=min(expiring, default=0))

    def is_read(self, place: int, channel: str) -> bool:
        """Whether what stands at `place` of `channel` is read."""
        return place in self._read[channel]

    def go_back(self, position: int) -> set[str]:
        """Undo what was written after `position`; returns how the judge calls it."""
        for change in reversed([one for one in self._changes if one.place > position]):
            known = self._read[change.channel]
            (known.difference_update if change.read else known.update)(change.turned)
        self._changes = [one for one in self._changes if one.place <= position]
        for place, (told, row) in list(self._originals.items()):
            if told > position:
                del self._originals[place]
                self._rows[place - 1] = row
        gone = {self._names.pop(place) for place in list(self._names) if place > position}
        for name in gone:
            del self.places[name]
        self.restored |= {name for name in self.ever_recalled if recall_name(name) in gone}
        return gone

    def _mark(
        self,
        channel: str,
        turning: Iterable[int],
        told: Mapping[str, object],
        *,
        read: bool,
        head: Head,
        now_ms: float,
    ) -> Marked:
        turned = frozenset(turning)
        known = self._read[channel]
        (known.update if read else known.difference_update)(turned)
        recipient_id = channel.partition(":")[2]
        count = self.unread(recipient_id, head=head, now_ms=now_ms).count
        event = None
        if turned:
            serial = len(self.said)
            event = self._append(channel, READ, {**told, "unread": count, "serial": serial}, mark_name(serial))
            self._changes.append(_Change(event.id, channel, turned, read))
        return Marked(count, head.epoch, Cursor(head.epoch, head.position), event)

    def _append(self, channel: str, kind: str, data: Mapping[str, object], name: str, *, erases: int = 0) -> Event:
        body = msgspec.json.encode(data)
        event = Event(len(self._rows) + 1, channel, kind, body, PASSED_OVER_MS, silent=True, erases=erases)
        self._rows.append(event)
        self.said.append(Published(name, channel, data, WRITTEN_BY, "accepted", ordered=False))
        self._names[event.id] = name
        self.places[name] = event.id
        return event

    def _alive(self, channel: str, floor: int, now_ms: float) -> Sequence[Event]:
        return [
            row
            for row in self._rows[floor:]
            if row.channel == channel and not row.type.startswith(OWN) and not 0 < row.expires_ms <= now_ms
        ]

    def _unread_among(self, channel: str, places: Iterable[int]) -> list[int]:
        known = self._read[channel]
        return [place for place in places if place not in known]
