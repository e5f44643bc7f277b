"""The relay: announcements and the log in, the tail and woken streams out.

The live exchange is a fast path only. Whatever it loses, delays, repeats or reorders is repaired from the log: after a
hole, after every reconnect, and every 0.75 s by comparing with the log's head. One read repairs the whole process.
Never awaits between taking from the tail's state and changing it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Generic

from notify_sse.core.frames import Frame, frame
from notify_sse.core.hub import Hub, ReaderT
from notify_sse.core.model import Announcement
from notify_sse.core.ports import Head, Page, Store
from notify_sse.core.tail import Hole, Tail
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway.continuity import Continuity
from notify_sse.gateway.fill import Fill
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import LOG_HEAD, Outage

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.delivering import DeliverySpans

logger = logging.getLogger(__name__)

COMPARE_S: Final = 0.75
"""What nobody announced, such as an erasure by command, is here within a second: with `GRACE_S` and the reads."""
GRACE_S: Final = 0.1
"""How long a committed batch's announcement may be under way before the log is read instead."""
STRETCH_EVENTS: Final = 2000
SERVE_AFTER_S: Final = 1.0
"""Streams are taken after so long at the latest. One that goes on from before what the tail has then reads the log."""


class Relay(Generic[ReaderT]):
    """Keeps `tail` at the log's head, and hands the streams that `hub` wakes to `drive`.

    `on_extended` hears, in the same step and before them, of the frames that are new after a position. It may not
    raise. `continuity` finds out whether the log lost events, and gives it a new epoch then.
    """

    def __init__(
        self,
        store: Store,
        tail: Tail,
        hub: Hub[ReaderT],
        metrics: Metrics,
        *,
        outage: Outage,
        drive: Callable[[list[ReaderT]], None],
        on_extended: Callable[[int, Sequence[Frame]], None] | None = None,
        spans: "DeliverySpans | None" = None,
        continuity: Continuity | None = None,
    ) -> None:
        self._continuity = continuity
        self._spans = spans
        self._store = store
        self._tail = tail
        self._hub = hub
        self._metrics = metrics
        self._outage = outage
        self._drive = drive
        self._head_seen = 0
        self._stretch_events = STRETCH_EVENTS
        self._on_extended = on_extended
        self._wanted = asyncio.Event()
        self._repaired: asyncio.Future[None] | None = None
        self._filled = asyncio.Event()
        self._own_epochs: set[str] = set()
        """Those that our log had while this process runs: announcements from before a new one may come late."""
        self._unknown_epochs: set[str] = set()
        self._foreign_epochs: set[str] = set()

    def take(self, announcement: Announcement) -> None:
        """An announcement from this process, or from the broker. Synchronous: extends, wakes, drives."""
        if not self._tail.generation:
            return  # the first page of the log is not here yet
        if announcement.epoch != self._tail.epoch:
            self._hear_other_epoch(announcement.epoch)
            return
        if announcement.traces and self._spans:
            self._spans.heard(announcement.traces)
        known = max(0, self._tail.position + 1 - announcement.first)
        self._metrics.duplicates_dropped.inc(min(known, len(announcement.events)))
        if known and self._continuity and not self._continuity.hear(announcement.events[:known]):
            self._wanted.set()
        epoch, committed_s = announcement.epoch, announcement.committed_s or time.time()
        frames = [frame(event, epoch, committed_s=committed_s) for event in announcement.events[known:]]
        self._head_seen = max(self._head_seen, announcement.first + len(announcement.events) - 1)
        self._extend(announcement.first + known, frames)

    def _hear_other_epoch(self, epoch: str) -> None:
        """Our log may have a new epoch: look. Once it is known not to, the announcement is of another log."""
        if epoch in self._foreign_epochs:
            self._metrics.foreign_epoch.inc()
            return
        if epoch not in self._own_epochs:
            self._unknown_epochs.add(epoch)
        self._wanted.set()

    def _judge_unknown_epochs(self, unknown: set[str]) -> None:
        """Our log was asked since `unknown` were heard, and has none of them."""
        for epoch in unknown - self._own_epochs:
            self._metrics.foreign_epoch.inc()
            logger.error(
                "another service, with another database, uses our exchanges and queues, and takes messages of ours: "
                "give each its own NOTIFY_SSE_AMQP_PREFIX or virtual host",
                extra={"action": "foreign_epoch", "epoch": epoch, "own_epoch": self._tail.epoch},
            )
        self._foreign_epochs |= unknown - self._own_epochs
        self._unknown_epochs -= unknown

    def repair(self) -> None:
        """Read the log soon: announcements may have been lost."""
        self._wanted.set()

    async def catch_up(self) -> None:
        """Return once the tail has reached where the log's head is now. Waits while the store is away."""
        if self._repaired is None:
            self._repaired = asyncio.get_running_loop().create_future()
        self._wanted.set()
        await asyncio.shield(self._repaired)

    async def run(self, *, max_events: int, max_bytes: int) -> None:
        """Fill the tail, and keep it at the head, until cancelled. Survives the store's absence."""
        fill = Fill(self._store, self._tail, max_events=max_events, max_bytes=max_bytes)
        while True:
            try:
                if not self._tail.generation:
                    await self._begin(fill)
                await self._follow(fill)
            except StoreUnavailable as exc:
                self._outage.lost(LOG_HEAD, str(exc), advice=exc.advice)
                if self._continuity:
                    self._continuity.doubt()
                await asyncio.sleep(COMPARE_S / 2)

    async def _begin(self, fill: Fill) -> None:
        page = await fill.newest()
        first = page.events[0].id if page.events else page.upto + 1
        self._restart(page.head, start=first - 1)
        self._extend(first, _frames(page), upto=page.upto)
        fill.begin()
        asyncio.get_running_loop().call_later(SERVE_AFTER_S, self._serve)
        self._outage.back(LOG_HEAD)

    def _serve(self) -> None:
        if not self.filled:
            self._filled.set()
            extra = {"action": "fill", "events": len(self._tail), "position": self._tail.position}
            logger.info("tail filled", extra=extra)

    async def _follow(self, fill: Fill) -> None:
        while True:
            asked = await self._asked(fill)
            waiting, self._repaired = self._repaired, None
            try:
                await self._compare(at_once=asked)
            except StoreUnavailable:
                self._repaired = _merged(waiting, self._repaired)
                self._wanted.set()
                raise
            if waiting and not waiting.done():
                waiting.set_result(None)
            self._outage.back(LOG_HEAD)

    async def _asked(self, fill: Fill) -> bool:
        """Whether somebody asked for the log to be read; else it is time to compare. Until then the tail is filled."""
        loop = asyncio.get_running_loop()
        until = loop.time() + COMPARE_S
        while fill.unfinished and not self._wanted.is_set() and loop.time() < until:
            await fill.older()
        if not fill.unfinished:
            self._serve()
        try:
            async with asyncio.timeout_at(until):
                await self._wanted.wait()
        except TimeoutError:
            return False
        self._wanted.clear()
        return True

    async def _compare(self, *, at_once: bool) -> None:
        """Bring the tail to where the log's head was when this was called."""
        tail = self._tail
        # Remember the position before the read: announcements move it while the store answers, and a head that was read
        # earlier must not be taken for a log that went back.
        reached, unknown = tail.position, set(self._unknown_epochs)
        head = await self._store.head()
        self._head_seen = head.position
        # Another log, or one that lost its newest events (a standby was promoted): no cursor can be trusted.
        if head.epoch != tail.epoch or head.position < reached or await self._is_broken():
            await self._leave(head)
            return
        self._judge_unknown_epochs(unknown)
        # Retention removed these from the log. Keep none of them here, or two gateways would answer differently.
        tail.trim(head.floor)
        # A commit is known to the log a little before its announcement is here. Wait, rather than read for nothing.
        if head.position > tail.position and not at_once:
            await asyncio.sleep(GRACE_S)
        while head.position > tail.position:
            asked = tail.position
            page = await self._next_stretch(asked)
            # The log may break off between two pages, too.
            if page.head.epoch != tail.epoch or page.head.position < head.position:
                await self._leave(page.head)
                return
            self._take_stretch(page, after=asked)
            # Let the woken streams read the stretch before the next one could push it out of the tail.
            await asyncio.sleep(0)
        if self._continuity:
            self._continuity.compared()

    async def _is_broken(self) -> bool:
        return self._continuity is not None and await self._continuity.is_broken()

    async def _leave(self, head: Head) -> None:
        """The log that has `head` is not the tail's: break off, once it has an epoch of its own."""
        self._break_off(await self._continuity.renewed(head) if self._continuity else head)

    async def _next_stretch(self, after: int) -> Page:
        """What was not read within the time limit is asked for again in a smaller piece."""
        try:
            page = await self._store.stretch(after, limit=self._stretch_events)
        except StoreUnavailable:
            self._stretch_events = max(1, self._stretch_events // 2)
            raise
        self._stretch_events = min(STRETCH_EVENTS, self._stretch_events * 2)
        return page

    def _take_stretch(self, page: Page, *, after: int) -> None:
        """Extend by what the log has after id `after`. Announcements may have come in while it was read: what is known
        already is dropped. Missing ids above the floor are gaps, where something was erased: there is nothing to tell.
        """
        if page.head.floor > self._tail.position:
            self._skip_to(page.head.floor)
        self._metrics.holes_repaired.inc()
        self._extend(after + 1, _frames(page), upto=page.upto)

    def _extend(self, first: int, frames: Sequence[Frame], *, upto: int = 0) -> None:
        before = self._tail.position
        new = self._tail.extend(first, frames, upto=upto)
        if isinstance(new, Hole):
            self._metrics.holes_found.inc()
            self._wanted.set()
            return
        if self._on_extended:
            self._on_extended(before, new)
        if new:
            self._drive(self._hub.wake(new, before=before))

    def _skip_to(self, start: int) -> None:
        """Retention overtook this process: what lay between is gone, and each stream learns it from the log."""
        logger.warning("the tail fell behind retention", extra={"action": "skip", "start": start})
        self._tail.skip(start)
        self._drive(self._hub.wake_all())

    def _break_off(self, head: Head) -> None:
        """The log is another one, or went back (a standby without its newest events): every cursor is checked."""
        extra = {"action": "break_off", "epoch": head.epoch, "head": head.position, "position": self._tail.position}
        if head.epoch != self._tail.epoch:
            logger.warning(
                "the log has a new epoch: every client is told that it may have missed something", extra=extra
            )
        else:
            logger.error("the log went back: was it restored? then run `notify-sse migrate --new-epoch`", extra=extra)
        self._restart(head, start=head.position)
        self._wanted.set()

    def _restart(self, head: Head, *, start: int) -> None:
        self._own_epochs.add(head.epoch)
        self._head_seen = head.position
        self._metrics.log_is(head.epoch)
        self._foreign_epochs.discard(head.epoch)
        self._tail.restart(head.epoch, start=start)
        self._drive(self._hub.wake_all())

    @property
    def filled(self) -> bool:
        """Whether streams are taken: the tail has the log's newest stretch, or as much as came in `SERVE_AFTER_S`."""
        return self._filled.is_set()

    @property
    def lag_events(self) -> int:
        """By how many events the tail is behind the log, as far as this process has heard of the log's head."""
        return max(0, self._head_seen - self._tail.position)

    async def when_filled(self) -> None:
        """Wait until `filled`."""
        await self._filled.wait()


def _frames(page: Page) -> list[Frame]:
    times = page.committed_ms or (0,) * len(page.events)
    return [
        frame(event, page.head.epoch, committed_s=committed_ms / 1000)
        for event, committed_ms in zip(page.events, times, strict=True)
    ]


def _merged(one: asyncio.Future[None] | None, other: asyncio.Future[None] | None) -> asyncio.Future[None] | None:
    """Both waits as one: after a failed read the callers of `catch_up` wait on."""
    if one is None or other is None:
        return one or other

    def pass_on(_: asyncio.Future[None]) -> None:
        if not one.done():
            one.set_result(None)

    other.add_done_callback(pass_on)
    return other
