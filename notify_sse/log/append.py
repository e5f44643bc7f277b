"""Group commit: many callers, one batch, one transaction.

Between whoever accepts notifications (HTTP, the ingest queue) and the store. While one batch commits, what arrives
gathers for the next, so that throughput grows with load and a lone notification waits for nobody. After the commit, in
this order: announce, then answer the callers (who ack or answer 2xx). It never announces what is not committed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from notify_sse.core.model import Announcement, Event, Notification
from notify_sse.core.ports import Appended, Store, Stored
from notify_sse.errors import Overloaded, StoreRefused, StoreUnavailable
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage

MAX_BATCH: Final = 1000
MAX_BATCH_BYTES: Final = 4_194_304
MAX_WAITING: Final = 20_000
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class Receipt(msgspec.Struct, frozen=True):
    """What became of one notification, and the epoch that its id belongs to."""

    epoch: str
    stored: Stored


class _Waiting:
    """One caller's notifications, all in one batch or in several, and the future that it awaits."""

    __slots__ = ("done", "notifications")

    def __init__(self, notifications: Sequence[Notification], done: asyncio.Future[list[Receipt]]) -> None:
        self.notifications = notifications
        self.done = done

    def fail(self, exc: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(exc)


class Appender:
    """Appends for every caller of this process; `on_committed` hears of each commit before the callers go on."""

    def __init__(
        self, store: Store, metrics: Metrics, *, outage: Outage, on_committed: Callable[[Announcement], None]
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._outage = outage
        self._on_committed = on_committed
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()

    async def append(self, notifications: Sequence[Notification]) -> list[Receipt]:
        """Append `notifications`; returns a receipt for each, in their order, once they are committed and announced.

        Waits for as long as the database is away: bound it with a timeout. Cancelled, the outcome is unknown. Raises
        `Overloaded` when too many wait already, `StoreRefused` when the database will not have one of them.
        """
        if self._waiting and self._waiting + len(notifications) > MAX_WAITING:
            raise Overloaded("too many notifications wait for the database")
        done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(notifications, done))
        self._waiting += len(notifications)
        self._arrived.set()
        return await done

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._take():
                await self._commit(batch)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = size = 0
        while self._queue:
            caller = self._queue[0]
            if caller.done.cancelled():
                self._waiting -= len(self._queue.popleft().notifications)
                continue
            count += len(caller.notifications)
            size += sum(len(notification.body) for notification in caller.notifications)
            if batch and (count > MAX_BATCH or size > MAX_BATCH_BYTES):
                break
            batch.append(self._queue.popleft())
            self._waiting -= len(caller.notifications)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        together = [notification for caller in batch for notification in caller.notifications]
        try:
            appended = await self._append_until_stored(together)
        except StoreRefused as exc:
            await self._isolate(batch, exc)
            return
        self._announce(appended, together)
        place = 0
        for caller in batch:
            stored = appended.stored[place : place + len(caller.notifications)]
            place += len(caller.notifications)
            if not caller.done.done():
                caller.done.set_result([Receipt(appended.epoch, one) for one in stored])

    async def _isolate(self, batch: list[_Waiting], exc: StoreRefused) -> None:
        """One of the batch is refused by the database: commit caller by caller, so that only its own learns of it."""
        if len(batch) == 1:
            batch[0].fail(exc)
            return
        for caller in batch:
            await self._commit([caller])

    async def _append_until_stored(self, together: Sequence[Notification]) -> Appended:
        """Try again for as long as the database is away. Safe: what was committed comes back as a duplicate."""
        attempt = 0
        while True:
            try:
                with self._metrics.append_seconds.time():
                    appended = await self._store.append(together)
            except StoreUnavailable as exc:
                self._outage.lost("append", str(exc), advice=exc.advice)
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
            else:
                self._outage.back("append")
                return appended

    def _announce(self, appended: Appended, together: Sequence[Notification]) -> None:
        events = tuple(
            Event(stored.id, one.channel, one.notification_type, one.body, one.expires_ms)
            for stored, one in zip(appended.stored, together, strict=True)
            if stored.outcome == "new"
        )
        self._metrics.count_appended(appended.stored)
        if events:
            self._on_committed(Announcement(appended.epoch, events[0].id, events))
        elif highest := max((stored.id for stored in appended.stored), default=0):
            # All known already: whoever appended them may have died before it announced them.
            self._on_committed(Announcement(appended.epoch, highest + 1))
