"""Pages of the history: a lane of their own beside the replays, in which one recipient has one turn at a time.

For a type of which there is nothing, the whole channel is looked through: page by page, with a rest after each as long
as the page took, and for a bounded time. A reader that asks for it costs no other reader more than one page.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from notify_sse.core.ports import Page, Store
from notify_sse.errors import Limited, Overloaded
from notify_sse.telemetry.metrics import Metrics

WAITING_EACH: Final = 16
"""Requests of one recipient that wait for their turn; one more is refused."""
WAIT_S: Final = 10.0
LOOK_S: Final = 2.0
"""For the events of some types; then the page ends, and says where to go on."""
MAX_REST_S: Final = 0.005


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

    def __init__(self, store: Store, metrics: Metrics, *, at_once: int) -> None:
        self._store = store
        self._metrics = metrics
        self._slots = asyncio.Semaphore(at_once)
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._waiting: Counter[str] = Counter()

    async def read(self, recipient_id: str, channels: Sequence[str], bounds: Bounds, *, limit: int) -> Page:
        """The next `limit` events of `bounds`, or as many as are found in `LOOK_S`; `upto` as in `Store.history`.

        Raises `Limited` when too many requests of this recipient wait already, `Overloaded` when its turn does not
        come, and what the store raises.
        """
        ends_at = time.monotonic() + LOOK_S
        page = await self._page(recipient_id, channels, bounds, limit=limit)
        events, epoch = list(page.events), page.head.epoch
        while len(events) < limit and time.monotonic() < ends_at and (left := bounds.beyond(page)):
            bounds = left
            page = await self._page(recipient_id, channels, bounds, limit=limit - len(events))
            if page.head.epoch != epoch:  # another log: nothing of the first belongs to it
                return page
            events += page.events
        return Page(tuple(events), page.upto, page.head)

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
