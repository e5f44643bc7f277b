"""Whether the log is still the one of which this process told its clients; and what is done when it is not.

A standby that was promoted without the newest transactions has the epoch of the log that was, and uses its ids again.
By the time a process looks, it may be past the position that this one had reached, so positions alone do not show it.
Two things do: an announcement that says other than the tail of the same place, and, once the database was away, what it
has in the places that were told last. A log that lost events gets a new epoch, so that every client that comes back is
told, whichever process it comes to (docs/adr/0024-lost-events.md).
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from notify_sse.core.frames import Frame, frame
from notify_sse.core.model import GONE, Event
from notify_sse.core.ports import Head, Store
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreUnavailable

logger = logging.getLogger(__name__)

PAGE_EVENTS: Final = 2000
MARGIN: Final = 50
"""Events before the last comparison that are looked at too: the one right there may have been erased."""


class Continuity:
    """Compares `tail` with the log in `store`."""

    def __init__(self, store: Store, tail: Tail) -> None:
        self._store = store
        self._tail = tail
        self._doubted = False
        self._compared = 0
        """The tail's position at the last comparison with the log's head: what was lost is not all below it."""
        self._void = ""
        """The epoch that is to be replaced, while the database does not do it."""

    def doubt(self) -> None:
        """The database was away, and may be another one now: look at the next comparison."""
        self._doubted = True

    def hear(self, repeated: Sequence[Event]) -> bool:
        """Whether the last of an announcement's `repeated` events, which the tail has passed, is what was told of its
        place. If not, only the log can tell which of the two is right.
        """
        for event in repeated[-1:]:
            told = self._tail.at(event.channel, event.id)
            if event.id > self._tail.start and (told is None or _is_other(told, event, self._tail.epoch)):
                self._doubted = True
                return False
        return True

    def compared(self) -> None:
        """The tail was brought to the log's head."""
        self._compared = self._tail.position

    async def is_broken(self) -> bool:
        """Whether the log, which has the tail's epoch, has other events in the places that were told last.

        Asks the log only when there is a doubt. Raises `StoreUnavailable`.
        """
        if self._void:
            await self._replace(self._void)
        if not self._doubted:
            return False
        # Before the read: what raises a doubt meanwhile is looked at the next time.
        self._doubted = False
        try:
            return await self._finds_others(self._tail.since(self._compared - MARGIN), self._tail.epoch)
        except StoreUnavailable:
            self._doubted = True
            raise

    async def _finds_others(self, told: Sequence[Frame], epoch: str) -> bool:
        places = {one.id: one for one in told}
        after = told[0].id - 1 if told else 0
        while told and after < told[-1].id:
            page = await self._store.stretch(after, limit=PAGE_EVENTS)
            if page.head.epoch != epoch:
                return False  # somebody has seen to it
            others = (one for one in page.events if _is_other(places.get(one.id), one, epoch))
            if page.head.position < told[-1].id or any(others):
                return True
            after = page.upto
        return False

    async def renewed(self, head: Head) -> Head:
        """`head`, with the new epoch that its log has got, if it had the tail's and lost events; else as it is.

        Where the database refuses that, clients of this process are told all the same, and it is tried again.
        """
        epoch = self._tail.epoch
        if head.epoch != epoch:
            return head
        logger.error(
            "the log lost events that clients were told of (a standby was promoted without them, or an older copy was "
            "restored): it gets a new epoch",
            extra={"action": "lost_events", "epoch": epoch, "head": head.position, "position": self._tail.position},
        )
        return replace(head, epoch=await self._replace(epoch))

    async def _replace(self, epoch: str) -> str:
        """The epoch that the log has now: `epoch` itself when it could not be replaced."""
        self._void = epoch
        with suppress(StoreUnavailable):
            epoch = await self._store.new_epoch(instead_of=epoch)
            self._void = ""
        return epoch


def _is_other(told: Frame | None, event: Event, epoch: str) -> bool:
    """Whether `event` is another than was told of its place. What was erased on either side says nothing."""
    return told is not None and bool(told.block) and event.type != GONE and frame(event, epoch).block != told.block
