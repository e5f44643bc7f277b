"""Pages of the history: a lane of their own beside the replays, in which one recipient has one turn at a time.

For a type of which there is nothing, the whole channel is looked through: page by page, with a rest after each as long
as the page took, and for a bounded time. A reader that asks for it costs no other reader more than one page.

What is large is read in pieces, too, and ends its page by bytes: one read has the database's time limit, whatever the
line carries, and one page has a place in memory.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from notify_sse.core.model import Event
from notify_sse.core.ports import Page, Store
from notify_sse.errors import Limited, Overloaded
from notify_sse.telemetry.metrics import Metrics

WAITING_EACH: Final = 16
"""Requests of one recipient that wait for their turn; one more is refused."""
WAIT_S: Final = 10.0
LOOK_S: Final = 2.0
"""For the events of some types; then the page ends, and says where to go on."""
MAX_REST_S: Final = 0.005
PAGE_BYTES: Final = 8_388_608
"""Of bodies; then the page ends, and says where to go on. 500 notifications of 16 KiB are still one page."""
PIECE_BYTES: Final = 1_048_576
"""One read asks for about so much at first, and for more only after it got less."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: `after` < id < `before`, of `types` when given, from either end."""

    after: int | None
    before: int | None
    types: Sequence[str]
    descending: bool

    def beyond(self, page: Page) -> "Bounds | None":
        """What is left after `page`, which was not full; None when nothing is."""
        if self.descending:
            lowest = max(self.after or 0, page.head.floor) + 1
            return msgspec.structs.replace(self, before=page.upto) if page.upto > lowest else None
        highest = page.head.position if self.before is None else min(page.head.position, self.before - 1)
        return msgspec.structs.replace(self, after=page.upto) if page.upto < highest else None


class Histories:
    """Reads pages for the history, `at_once` at the same time."""

    def __init__(self, store: Store, metrics: Metrics, *, at_once: int, largest_bytes: int) -> None:
        self._store = store
        self._first_piece = max(1, PIECE_BYTES // largest_bytes)
        self._metrics = metrics
        self._slots = asyncio.Semaphore(at_once)
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: Counter[str] = Counter()

    async def read(self, recipient_id: str, channels: Sequence[str], bounds: Bounds, *, limit: int) -> Page:
        """The next `limit` events of `bounds`, or as many as are found in `LOOK_S` or fill `PAGE_BYTES`; `upto` as in
        `Store.history`.

        Raises `Limited` when too many requests of this recipient wait already, `Overloaded` when its turn does not
        come, and what the store raises.
        """
        ends_at = time.monotonic() + LOOK_S
        events: list[Event] = []
        size, piece, epoch = 0, self._first_piece, ""
        while True:
            page = await self._page(recipient_id, channels, bounds, limit=min(piece, limit - len(events)))
            if epoch and page.head.epoch != epoch:  # another log: nothing of the first belongs to it
                return page
            epoch = page.head.epoch
            events += page.events
            read = sum(len(event.body) for event in page.events)
            size += read
            left = bounds.beyond(page)
            if left is None or len(events) >= limit or size >= PAGE_BYTES or time.monotonic() >= ends_at:
                return Page(tuple(events), page.upto, page.head)
            bounds = left
            if read < PIECE_BYTES / 2:
                piece *= 2

    async def _page(self, recipient_id: str, channels: Sequence[str], bounds: Bounds, *, limit: int) -> Page:
        async with self._turn(recipient_id):
            self._metrics.pages_read.inc()
            began = time.monotonic()
            page = await self._store.history(
                channels,
                after=bounds.after,
                before=bounds.before,
                types=bounds.types,
                descending=bounds.descending,
                limit=limit,
            )
            await asyncio.sleep(min(MAX_REST_S, time.monotonic() - began))
            return page

    @asynccontextmanager
    async def _turn(self, recipient_id: str) -> AsyncIterator[None]:
        """A slot, for one request of this recipient at a time: the others of it do not stand in the queue."""
        if self._waiting[recipient_id] > WAITING_EACH:
            self._metrics.limited.labels("history_per_recipient").inc()
            raise Limited("history_per_recipient")
        own = self._own.setdefault(recipient_id, asyncio.Lock())
        self._waiting[recipient_id] += 1
        try:
            async with asyncio.timeout(WAIT_S) as waiting, own, self._slots:
                waiting.reschedule(None)
                yield
        except TimeoutError:
            raise Overloaded("too many pages of the history are read now") from None
        finally:
            self._waiting[recipient_id] -= 1
            if not self._waiting[recipient_id]:
                del self._waiting[recipient_id]
