"""Tells every gateway what was committed: the streams of this process directly, the other processes by the broker.

Called by the appender after each commit and before it answers, so that whoever acks leaves nothing untold behind. Both
ways are fast paths: what does not arrive is found in the log. Knows no stream; who hears is given as a callable.
"""

from collections.abc import Callable
from typing import Final

from notify_sse.core.model import Announcement

MAX_ANNOUNCED_BYTES: Final = 1_048_576
"""A larger batch is announced without its events. It is rare, and would hold up the live exchange for everybody."""


class Announcer:
    """`take_here` gets each announcement in this process (None: it serves no streams), `tell_others` its bytes for the
    other processes (None: there are none). Neither may block or raise.
    """

    def __init__(
        self, *, take_here: Callable[[Announcement], None] | None, tell_others: Callable[[bytes], None] | None
    ) -> None:
        self._take_here = take_here
        self._tell_others = tell_others

    def announce(self, announcement: Announcement) -> None:
        """Tell of a batch that was committed here. Synchronous, so that announcements leave in commit order."""
        if self._take_here is not None:
            self._take_here(announcement)
        if self._tell_others is not None:
            self._tell_others(_encoded(announcement))


def _encoded(announcement: Announcement) -> bytes:
    body = announcement.encode()
    if len(body) <= MAX_ANNOUNCED_BYTES:
        return body
    # Only how far the log reaches now: each process then reads the batch from the log.
    first = announcement.first + len(announcement.events)
    return Announcement(announcement.epoch, first, traces=announcement.traces).encode()
