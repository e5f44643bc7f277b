"""The fill: reads the log into an empty tail, page by page, from the newest event back.

The first page is what a stream needs to be placed, so that a process can serve soon, however large the log is and
however slow the line is. The others come between the looks at the log's head, until the tail is full. Each page is
small, since each read has a time limit; one that was not read in time is asked for again at half the size.
"""

from typing import Final

from notify_sse.core.frames import frame
from notify_sse.core.ports import STRETCH_BYTES, Page, Store
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreUnavailable

PAGE_BYTES: Final = STRETCH_BYTES


class Fill:
    """Fills `tail` up to `max_events` and `max_bytes`, which are its own bounds."""

    def __init__(self, store: Store, tail: Tail, *, max_events: int, max_bytes: int) -> None:
        self._store = store
        self._tail = tail
        self._max_events = max_events
        self._page_bytes = min(PAGE_BYTES, max_bytes)
        self._generation = -1

    @property
    def unfinished(self) -> bool:
        """Whether there is more to read into the tail. A log that broke off is begun anew, and not filled."""
        return self._generation == self._tail.generation

    async def newest(self) -> Page:
        """The first page."""
        return await self._read(before=None)

    def begin(self) -> None:
        """The first page is in the tail."""
        self._generation = self._tail.generation

    async def older(self) -> None:
        """Read the page before what the tail has. Announcements may extend the tail meanwhile."""
        tail, start = self._tail, self._tail.start
        page = await self._read(before=start + 1) if start > tail.floor else None
        if page is None or not page.events or page.head.epoch != tail.epoch:
            self._finish()
            return
        # What came in meanwhile may have taken the oldest places: then there is no room, and no place to go on from.
        if tail.start == start:
            frames = [frame(event, tail.epoch) for event in page.events]
            if tail.prepend(frames, known=page.head.position) == len(frames):
                return
        self._finish()

    async def _read(self, *, before: int | None) -> Page:
        try:
            return await self._store.newest(max_events=self._max_events, max_bytes=self._page_bytes, before=before)
        except StoreUnavailable:
            self._page_bytes = max(1, self._page_bytes // 2)
            raise

    def _finish(self) -> None:
        self._generation = -1
