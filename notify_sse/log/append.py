"""Group commit: many callers, one batch, one transaction.

Between whoever accepts notifications (HTTP, the ingest queue) and the store. While one batch commits, what arrives
gathers for the next, so that throughput grows with load and a lone notification waits for nobody. After the commit, in
this order: announce, then answer the callers (who ack or answer 2xx). It never announces what is not committed.

What the database refuses is found out here, and nowhere else: every caller is told what became of each notification.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from notify_sse.core.backoff import Backoff
from notify_sse.core.cursor import Cursor
from notify_sse.core.model import Announcement, Event, Notification, TraceContext
from notify_sse.core.ports import Appended, Store
from notify_sse.errors import Overloaded, StoreRefused, StoreUnavailable
from notify_sse.telemetry.labels import Way
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.appending import AppendSpans

MAX_BATCH: Final = 1000
MAX_BATCH_BYTES: Final = 4_194_304
MAX_WAITING: Final = 20_000
FIRST_RETRY_S: Final = 0.05
LAST_RETRY_S: Final = 1.0


class Logged(msgspec.Struct, frozen=True):
    """The log holds this notification_id at `cursor`.

    `new`: since now. `duplicate`: since before, with the same content. `conflict`: since before, with other content;
    what came now is not in the log.
    """

    outcome: Literal["new", "duplicate", "conflict"]
    cursor: Cursor


class Refused(msgspec.Struct, frozen=True):
    """The database will not have this notification, and never will; `detail` is what it said. Nothing was stored."""

    detail: str
    outcome: Literal["refused"] = "refused"


Outcome = Logged | Refused
"""What became of one notification."""
GIVEN_UP: Final = Refused("its caller has given up")
"""Not stored, and told to nobody: only a place among the outcomes of a batch."""


class _Waiting:
    """One caller's notifications, and the future that it awaits. `since_ns`: Unix time, where spans are made."""

    __slots__ = ("done", "notifications", "since_ns", "way")

    def __init__(self, notifications: Sequence[Notification], done: asyncio.Future[list[Outcome]], *, way: Way) -> None:
        self.notifications = notifications
        self.done = done
        self.way = way
        self.since_ns = 0


_Owned = tuple[_Waiting, Notification]
"""One notification, and whose it is."""


class Appender:
    """Appends for every caller of this process; `on_committed` hears of each commit before the callers go on."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        *,
        outage: Outage,
        on_committed: Callable[[Announcement], None],
        spans: "AppendSpans | None" = None,
    ) -> None:
        self._spans = spans
        self._store = store
        self._metrics = metrics
        self._outage = outage
        self._on_committed = on_committed
        self.on_accepted: Callable[[int, int, Way], None] | None = None
        """Hears of runs of new notifications, first and last id, and by which way they came. It must not wait."""
        self.stored = 0
        """How many new notifications this process has stored."""
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()

    async def append(self, notifications: Sequence[Notification], *, way: Way = "http") -> list[Outcome]:
        """Append `notifications`; returns the outcome of each, in their order, once all are committed and announced.

        One that the database refuses does not touch the others. Waits for as long as the database is away: bound it
        with a timeout. Cancelled, it is not tried again; whether a commit under way succeeds is unknown. Raises
        `Overloaded` when too many wait already.
        """
        if self._waiting and self._waiting + len(notifications) > MAX_WAITING:
            raise Overloaded("too many notifications wait for the database")
        done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(notifications, done, way=way)
        if self._spans:
            waiting.since_ns = time.time_ns()
        self._queue.append(waiting)
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
                if self._spans:
                    self._spans.end()

    def _take(self) -> list[_Waiting]:
        """The callers of the next batch: as many as fit, in their order, and always one when any waits."""
        batch: list[_Waiting] = []
        count = size = 0
        while self._queue:
            caller = self._queue[0]
            # It gave up while it waited: whoever published gets no answer and tries again, so do not store it now.
            if caller.done.cancelled():
                self._waiting -= len(self._queue.popleft().notifications)
                continue
            count += len(caller.notifications)
            size += sum(len(notification.body) for notification in caller.notifications)
            # A caller is never cut in two. One that is over the limits by itself gets a batch of its own.
            if batch and (count > MAX_BATCH or size > MAX_BATCH_BYTES):
                break
            batch.append(self._queue.popleft())
            self._waiting -= len(caller.notifications)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        """Store `batch`; answer its callers. Try again for as long as the database is away. Safe: what was committed
        comes back as a duplicate.
        """
        backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        while True:
            if self._spans:
                self._spans.begin((caller.notifications, caller.since_ns) for caller in batch)
            owned = [(caller, notification) for caller in batch for notification in caller.notifications]
            try:
                outcomes = await self._store_all(owned)
            except StoreUnavailable as exc:
                self._outage.lost("append", str(exc), advice=exc.advice)
                await asyncio.sleep(backoff.next_s())
                # Who gave up meanwhile tries again, maybe under another id: theirs would be stored twice.
                # With nobody left, an empty batch finds out whether the database takes writes again.
                batch = [caller for caller in batch if not caller.done.cancelled()] or self._take()
            else:
                self._outage.back("append")
                return self._answer(batch, outcomes)

    def _answer(self, batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        """Give each caller its own."""
        start = 0
        for caller in batch:
            own = list(outcomes[start : start + len(caller.notifications)])
            start += len(caller.notifications)
            if self._spans and self._spans.under_way:
                self._note(self._spans, caller.notifications, own)
            if self.on_accepted is not None:
                for first, last in _runs(own):
                    self.on_accepted(first, last, caller.way)
            # It may have given up meanwhile. What was stored for it stays; a retry finds it as a duplicate.
            if not caller.done.done():
                caller.done.set_result(own)

    def _note(self, spans: "AppendSpans", notifications: Sequence[Notification], outcomes: Sequence[Outcome]) -> None:
        for notification, outcome in zip(notifications, outcomes, strict=True):
            if notification.trace:
                cursor = "" if isinstance(outcome, Refused) else str(outcome.cursor)
                spans.answered(notification.trace, outcome.outcome, cursor)

    async def _store_all(self, owned: Sequence[_Owned]) -> list[Outcome]:
        """Commit and announce `owned`, in one transaction or, if the database refuses that, in several."""
        together = [notification for _, notification in owned]
        try:
            commit = self._spans.commit(together) if self._spans else nullcontext()
            with commit:
                appended = await self._timed(self._store.append(together))
        except StoreRefused as exc:
            # Nothing of the transaction was stored, and the database does not say which one is at fault. Halve it until
            # that one stands alone: about 2 log2(n) transactions, in which all others are stored, in their order.
            if len(together) == 1:
                return [Refused(str(exc))]
            middle = len(owned) // 2
            return [*await self._store_wanted(owned[:middle]), *await self._store_wanted(owned[middle:])]
        # Before anybody is answered: whoever acks on the answer leaves nothing unannounced behind.
        self._announce(appended, together)
        return [Logged(stored.outcome, Cursor(appended.epoch, stored.id)) for stored in appended.stored]

    async def _timed(self, appending: Awaitable[Appended]) -> Appended:
        began_s = time.perf_counter()
        try:
            return await appending
        finally:
            self._metrics.append_seconds.note(time.perf_counter() - began_s)

    async def _store_wanted(self, owned: Sequence[_Owned]) -> list[Outcome]:
        """`_store_all` of those whose caller still waits. The others go back to their queue, or are tried again, maybe
        under another id: stored here as well, they would be twice in the log.
        """
        wanted = [not caller.done.cancelled() for caller, _ in owned]
        if all(wanted):
            return await self._store_all(owned)
        left = [one for one, still_waits in zip(owned, wanted, strict=True) if still_waits]
        outcomes = iter(await self._store_all(left) if left else ())
        return [next(outcomes) if still_waits else GIVEN_UP for still_waits in wanted]

    def _announce(self, appended: Appended, together: Sequence[Notification]) -> None:
        self._metrics.count_appended(appended.stored)
        # Only what is new, with its content: a duplicate is where it was, and a conflict's content is not the log's.
        events = tuple(
            Event(stored.id, new.channel, new.notification_type, new.body, new.expires_ms, new.silent)
            for stored, new in zip(appended.stored, together, strict=True)
            if stored.outcome == "new"
        )
        self.stored += len(events)
        if events:
            traced = self._spans and self._spans.under_way
            committed_s, traces = time.time(), _traces(appended, together) if traced else ()
            announcement = Announcement(appended.epoch, events[0].id, events, committed_s=committed_s, traces=traces)
            with self._spans.announce(together) if self._spans else nullcontext():
                self._on_committed(announcement)
        elif highest := max((stored.id for stored in appended.stored), default=0):
            # All known already: whoever appended them may have died before it announced them.
            self._on_committed(Announcement(appended.epoch, highest + 1))


def _traces(appended: Appended, together: Sequence[Notification]) -> tuple[tuple[int, TraceContext], ...]:
    """The ids of the new ones whose traces are recorded."""
    return tuple(
        (stored.id, new.trace)
        for stored, new in zip(appended.stored, together, strict=True)
        if new.trace and stored.outcome == "new"
    )


def _runs(outcomes: Sequence[Outcome]) -> Iterator[tuple[int, int]]:
    """The ids of the new ones, as runs without a gap."""
    first = last = 0
    for outcome in outcomes:
        if not isinstance(outcome, Logged) or outcome.outcome != "new":
            continue
        if first and outcome.cursor.position == last + 1:
            last += 1
            continue
        if first:
            yield first, last
        first = last = outcome.cursor.position
    if first:
        yield first, last
