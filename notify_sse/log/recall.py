"""Recall and erasure: takes content out of the log, and tells every gateway, which drops what it holds of it.

Committed first, then announced, like a batch. What the announcement does not reach finds the event in the log within a
second.
"""

import asyncio
import random
from collections.abc import Callable

from notify_sse.core.backoff import Backoff
from notify_sse.core.erasure import Erased, Erasure, Recalled
from notify_sse.core.model import Announcement, Recall
from notify_sse.errors import StoreUnavailable
from notify_sse.log.append import FIRST_RETRY_S, LAST_RETRY_S


class Recalls:
    """`announce` tells every process of a committed batch."""

    def __init__(self, erasure: Erasure, *, announce: Callable[[Announcement], None]) -> None:
        self._erasure = erasure
        self._announce = announce

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        """Recall one notification; None when it is not in the log. Raises `StoreUnavailable`: then call again."""
        recalled = await self._erasure.recall(channel, notification_id)
        if recalled and recalled.event:
            self._announce(Announcement(recalled.epoch, recalled.event.id, (recalled.event,)))
        return recalled

    async def recall_when_possible(self, recall: Recall) -> Recalled | None:
        """As `recall`, again and again while the database is away. It may be called again."""
        backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        while True:
            try:
                return await self.recall(recall.channel, recall.notification_id)
            except StoreUnavailable:
                await asyncio.sleep(backoff.next_s())

    async def erase(self, recipient_id: str) -> Erased:
        """Erase everything of a recipient; their streams end as `revoked`. Raises `StoreUnavailable`: call again."""
        erased = await self._erasure.erase(recipient_id)
        self._announce(Announcement(erased.epoch, erased.event.id, (erased.event,)))
        return erased
