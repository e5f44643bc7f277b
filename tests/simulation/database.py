"""A log in memory that keeps the promises of the `Store` port, and takes every liberty that the port allows.

A request travels, is carried out in one step at the server (the order of these steps is the order of commits), and its
answer travels back: any of the three can fail, and only an answer tells the caller which. What a crashed process asked
for may still be carried out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Final, TypeVar

import msgspec

from notify_sse.core.channels import recipient_channel
from notify_sse.core.erasure import Recalled
from notify_sse.core.model import Event, Notification
from notify_sse.core.ports import Appended, Head, Page, Stored
from notify_sse.core.read_state import Marked, Unread
from notify_sse.errors import StoreRefused, StoreUnavailable
from tests.simulation.loop import SimLoop
from tests.simulation.own_events import OwnEvents

T = TypeVar("T")

POISON = "store-refuses"
"""The notification type that this database will not have."""
NAMELESS = "recipient:nameless"
"""The channel of what is published without an id. Nobody reads it: the log alone is looked at."""

FILL_EVENTS = 7
"""A page of the newest events holds no more, whatever was asked for: large bodies would do the same."""
WALL_S: Final = 1_800_000_000.0
"""The wall clock's time when a run begins."""

BY_HAND = b"{}"
"""The body of what somebody writes behind our back."""


def number_of(body: bytes) -> bytes:
    """What tells a notification on `NAMELESS` from the others there."""
    number: bytes = msgspec.json.encode(msgspec.json.decode(body)["payload"])
    return number


class Database:
    """The server's side: the log itself."""

    def __init__(self) -> None:
        self.epoch = "e0"
        self.floor = 0
        self.rows: list[Event] = []
        self.known: dict[tuple[str, str], tuple[int, bytes]] = {}
        """Channel and notification_id → place and digest. Retention does not take from it: publishers retry for
        minutes, and what is stored is kept for days."""
        self.available = True
        self.away_since = 0.0
        self.copies: Counter[bytes] = Counter()
        """By its body without the id: how often a notification on `NAMELESS` was stored."""
        self.under_way: Counter[bytes] = Counter()
        """Those that a request under way would store."""
        self.isolating: set[bytes] = set()
        """Those of a batch that was refused: it is halved, and these come in one of the next transactions."""
        self.writable = True
        self.erased: set[int] = set()
        """Places whose event was erased: gaps among the ids."""
        self.uncommitted: set[int] = set()
        """Places that no reader sees yet. Always empty: the places are given in the step that commits."""
        self.withdrawn: set[str] = set()
        self.ever: dict[str, int] = {}
        """notification_id → place, of everything in the log to stay, whether retention removed it since or not."""
        self.own = OwnEvents(self.rows)

    @property
    def head(self) -> Head:
        return Head(self.epoch, len(self.rows), self.floor)

    @property
    def names(self) -> list[str]:
        """The notification_ids, in the log's order."""
        return [name for _, name in sorted(self.known, key=lambda key: self.known[key][0])]

    def append(self, batch: Sequence[Notification]) -> Appended:
        if any(one.notification_type == POISON for one in batch):
            raise StoreRefused("will not have it")
        stored = []
        for one in batch:
            known = self.known.get((one.channel, one.notification_id))
            if known is None:
                place = self._insert(one)
                stored.append(Stored("new", place))
            else:
                stored.append(Stored("duplicate" if known[1] == one.digest else "conflict", known[0]))
        return Appended(self.epoch, tuple(stored))

    def _insert(self, one: Notification) -> int:
        place = len(self.rows) + 1
        self.rows.append(Event(place, one.channel, one.notification_type, one.body, one.expires_ms))
        self.known[one.channel, one.notification_id] = (place, one.digest)
        if one.channel == NAMELESS:
            self.copies[number_of(one.body)] += 1
        else:
            self.ever[one.notification_id] = place
        return place

    def recall(self, channel: str, name: str) -> Recalled | None:
        """Erase one body, and append the event that says so."""
        known = self.known.get((channel, name))
        if known is None:
            return None
        if known[0] <= self.floor:
            return None
        return self.own.recall(self.rows[known[0] - 1], name, epoch=self.epoch)

    def mark(self, recipient_id: str, names: Collection[str], *, read: bool, now_ms: float) -> Marked:
        """These are read, or are not."""
        channel = recipient_channel(recipient_id)
        places = [(name, self.known[channel, name][0]) for name in names if (channel, name) in self.known]
        return self.own.mark(recipient_id, places, read=read, head=self.head, now_ms=now_ms)

    def stretch(self, after: int, limit: int) -> Page:
        found = self._committed(max(after, self.floor))[:limit]
        return Page(tuple(found), found[-1].id if len(found) == limit else len(self.rows), self.head)

    def newest(self, max_events: int, before: int | None = None) -> Page:
        upto = len(self.rows) if before is None else min(len(self.rows), before - 1)
        found = [row for row in self._committed(self.floor) if row.id <= upto]
        return Page(tuple(found[-max_events:]), upto, self.head)

    def after(self, cursor: int, channels: Sequence[str], limit: int) -> Page:
        found = [event for event in self._committed(max(cursor, self.floor)) if event.channel in channels][:limit]
        return Page(tuple(found), found[-1].id if len(found) == limit else len(self.rows), self.head)

    def _committed(self, after: int) -> list[Event]:
        rows = self.rows[after:]
        missing = self.uncommitted | self.erased
        return [row for row in rows if row.id not in missing] if missing else rows

    def expire(self, count: int) -> int:
        """Retention: remove the oldest `count`, and move the floor in the same step."""
        removed = min(count, len(self.rows) - self.floor)
        self.floor += removed
        return removed

    def write_by_hand(self, count: int, *, erase: int) -> None:
        """Somebody writes to the log behind our back, in one transaction, and erases some of it, and of what was there.
        Nothing is announced. (Only on `NAMELESS`: who reads no such channel misses nothing.)
        """
        for _ in range(count):
            place = len(self.rows) + 1
            self.rows.append(Event(place, NAMELESS, "note", BY_HAND))
        self.erased.update([row.id for row in self.rows if row.channel == NAMELESS][-2 * count :: 2][:erase])

    def go_back(self, position: int) -> None:
        """The newest rows are gone: a standby without them was promoted, or an older copy restored."""
        for (channel, name), (place, _) in list(self.known.items()):
            if place > position:
                del self.known[channel, name]
                self.ever.pop(name, None)
                self.withdrawn.add(name)
        self.withdrawn |= self.own.go_back(position)
        for row in self.rows[position:]:
            if row.channel == NAMELESS and row.body != BY_HAND:
                self.copies[number_of(row.body)] -= 1  # stored once more, it is there once
        del self.rows[position:]
        self.erased = {place for place in self.erased if place <= position}
        self.floor = min(self.floor, position)

    def new_epoch(self) -> None:
        self.epoch = f"e{int(self.epoch[1:]) + 1}"

    def replace_epoch(self, instead_of: str) -> str:
        """As a process does it that found the log to have lost events."""
        if self.epoch == instead_of:
            self.new_epoch()
        return self.epoch


class SimStore:
    """The `Store` of one process, as far as the core uses it."""

    def __init__(self, database: Database, loop: SimLoop, rng: Random, tally: Counter[str], *, flaky: float) -> None:
        self._database = database
        self._loop = loop
        self._rng = rng
        self._tally = tally
        self._flaky = flaky

    async def append(self, batch: Sequence[Notification]) -> Appended:
        nameless = [number_of(one.body) for one in batch if one.channel == NAMELESS]
        self._database.under_way.update(nameless)
        try:
            return await self._ask(
                lambda: self._append_at_server(batch), on_arrival=lambda: self._arrived(batch, nameless)
            )
        except StoreUnavailable:
            self._tally["append retried"] += 1
            raise
        except StoreRefused:
            if len(batch) > 1:
                self._tally["refused batch isolated"] += 1
            raise

    def _arrived(self, batch: Sequence[Notification], nameless: Sequence[bytes]) -> None:
        self._database.under_way.subtract(nameless)
        halved = len(batch) > 1 and any(one.notification_type == POISON for one in batch)
        (self._database.isolating.update if halved else self._database.isolating.difference_update)(nameless)

    def _append_at_server(self, batch: Sequence[Notification]) -> Appended:
        self._check_writable()
        return self._database.append(batch)

    def _writing(self, request: Callable[[], T]) -> T:
        self._check_writable()
        return request()

    def _check_writable(self) -> None:
        if not self._database.writable:
            raise StoreUnavailable("read only")

    def _now_ms(self) -> float:
        return (WALL_S + self._loop.now) * 1000

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        return await self._ask(lambda: self._writing(lambda: self._database.recall(channel, notification_id)))

    async def mark_upto(self, recipient_id: str, position: int) -> Marked:
        database = self._database
        return await self._ask(
            lambda: self._writing(
                lambda: database.own.mark_upto(recipient_id, position, head=database.head, now_ms=self._now_ms())
            )
        )

    async def mark(self, recipient_id: str, notification_ids: Collection[str], *, read: bool) -> Marked:
        database = self._database
        return await self._ask(
            lambda: self._writing(
                lambda: database.mark(recipient_id, notification_ids, read=read, now_ms=self._now_ms())
            )
        )

    async def unread(self, recipients: Sequence[str]) -> list[Unread]:
        database = self._database
        return await self._ask(
            lambda: [database.own.unread(one, head=database.head, now_ms=self._now_ms()) for one in recipients]
        )

    async def head(self) -> Head:
        return await self._ask(lambda: self._database.head)

    async def new_epoch(self, *, instead_of: str) -> str:
        self._tally["lost events found out"] += 1
        return await self._ask(lambda: self._database.replace_epoch(instead_of))

    async def stretch(self, after: int, *, limit: int) -> Page:
        return await self._ask(lambda: self._database.stretch(after, limit))

    async def newest(self, *, max_events: int, max_bytes: int, before: int | None = None) -> Page:
        assert max_bytes > 0
        return await self._ask(lambda: self._database.newest(min(max_events, FILL_EVENTS), before))

    async def after(self, cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        return await self._ask(lambda: self._database.after(cursor, channels, limit))

    async def _ask(self, request: Callable[[], T], *, on_arrival: Callable[[], None] = lambda: None) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        self._loop.call_later(self._latency(), self._carry_out, request, on_arrival, answer)
        return await answer

    def _latency(self) -> float:
        draw = self._rng.random()
        return draw * 0.004 if draw < 0.95 else draw * self._rng.random() * 0.6

    def _carry_out(self, request: Callable[[], T], on_arrival: Callable[[], None], answer: asyncio.Future[T]) -> None:
        on_arrival()
        draw = self._rng.random()
        if not self._database.available or draw < self._flaky / 2:
            self._loop.call_later(self._latency(), _fail, answer, StoreUnavailable("away"))
            return
        try:
            result = request()
        except (StoreRefused, StoreUnavailable) as exc:
            self._loop.call_later(self._latency(), _fail, answer, exc)
            return
        if draw < self._flaky:
            self._tally["outcome unknown"] += 1
            self._loop.call_later(self._latency(), _fail, answer, StoreUnavailable("the answer was lost"))
        else:
            self._loop.call_later(self._latency(), _resolve, answer, result)


def _resolve(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], exc: Exception) -> None:
    if not answer.done():
        answer.set_exception(exc)
