"""Replays: pages of the log for cold streams, a bounded number at a time.

A page grows while the client takes it in, and shrinks when it does not: a slow client neither holds a page in memory
nor has the database read the same one again and again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from notify_sse.core.control import Reset
from notify_sse.core.frames import Frame, frame
from notify_sse.core.ports import STORE_RETRY_S, Page, Store
from notify_sse.core.stream import Stream
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway.connection import Connection
from notify_sse.telemetry.metrics import Metrics

MAX_REST_S: Final = 0.005
"""After reading a page, keep the slot for as long as the read took (at most this long): replays use at most half of the
database's time, and of this process's.
"""
LEAST_PAGE_EVENTS: Final = 4
MIN_PAGE_EVENTS: Final = 32
MAX_PAGE_EVENTS: Final = 500
READ_BYTES: Final = 33_554_432
"""No page has more, whatever notifications may be as large as."""


class Replays:
    """Reads pages for the pump, at most `at_once` at the same time; the others wait for a slot, page by page."""

    def __init__(self, store: Store, metrics: Metrics, *, at_once: int) -> None:
        self._store = store
        self._metrics = metrics
        self._slots = asyncio.Semaphore(at_once)
        self._most_events = MAX_PAGE_EVENTS
        self.waiting = 0
        """Streams that wait for a slot."""

    def bound_pages(self, *, largest_bytes: int) -> None:
        """Read no page that could be over `READ_BYTES` when a notification has at most `largest_bytes`."""
        self._most_events = max(LEAST_PAGE_EVENTS, min(MAX_PAGE_EVENTS, READ_BYTES // largest_bytes))

    async def read(self, connection: Connection) -> Page:
        """The next page of the log for `connection`. Waits while the store is away. Moves no cursor: see `take`."""
        stream, asked = connection.stream, time.monotonic()
        page = await self._page(connection)
        self._metrics.replay_seconds.observe(time.monotonic() - asked)
        if page.head.epoch != stream.epoch:
            await asyncio.sleep(STORE_RETRY_S)  # the relay is about to notice: no use in asking in a circle
        return page

    async def _page(self, connection: Connection) -> Page:
        stream = connection.stream
        while True:
            try:
                async with self._slot():
                    self._metrics.pages_read.inc()
                    began = time.monotonic()
                    limit = min(connection.page_events, self._most_events)
                    page = await self._store.after(stream.position, stream.channels, limit=limit)
                    await asyncio.sleep(min(MAX_REST_S, time.monotonic() - began))
                    return page
            except StoreUnavailable:
                lessen(connection)
                await asyncio.sleep(STORE_RETRY_S)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


def take(stream: Stream, page: Page) -> list[Frame] | Reset:
    """What to send of `page`. The cursor moves now, so what is returned has to be written in the same step: a
    heartbeat in between would tell the client of a place that it has not reached.
    """
    head = page.head
    frames = [frame(event, head.epoch) for event in page.events]
    now_ms = int(time.time() * 1000)
    return stream.read(frames, epoch=head.epoch, floor=head.floor, upto=page.upto, now_ms=now_ms)


def grow(connection: Connection) -> None:
    """The client took what it was given at once."""
    connection.page_events = min(MAX_PAGE_EVENTS, connection.page_events * 2)


def lessen(connection: Connection) -> None:
    """The page was not read. It may be too large for the line to the database, and the time limit."""
    connection.page_events = max(min(LEAST_PAGE_EVENTS, connection.page_events), connection.page_events // 2)


def shrink(connection: Connection, *, taken: int) -> None:
    """The client took `taken` events and then kept us waiting."""
    connection.page_events = min(connection.page_events, max(MIN_PAGE_EVENTS, taken * 2))
