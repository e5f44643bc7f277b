"""How far a page of the log is complete, and where it is read from: the rules that both stores share. Pure."""

from collections.abc import Sequence
from typing import Final

from notify_sse.core.model import Event
from notify_sse.core.ports import STRETCH_BYTES, Head, Page

LOOKED_AT: Final = 4096
"""Events of a channel that one page looks at, at most, for those of some types: 3 ms of the database's time. There may
be none of that type in all of the channel."""
MAX_ID: Final = 2**63 - 1
"""The largest integer that the databases hold; a cursor may be any."""


def bounded(place: int | None, *, default: int) -> int:
    """`place` as the databases take it."""
    return default if place is None else max(0, min(place, MAX_ID))


def retention_ms(retention_s: float) -> int:
    """In milliseconds, as the databases take it; more than 10,000 years is for ever."""
    return int(min(retention_s * 1000, 3.2e14))


def ascending(
    events: Sequence[Event], head: Head, *, limit: int, before: int | None = None, looked_to: int | None = None
) -> Page:
    """A page read upwards: complete up to its last event when it is full, else up to where the reading ended: to
    `looked_to`, when it did not look at everything.
    """
    if events and len(events) >= limit:
        return Page(tuple(events), events[-1].id, head)
    end = head.position if before is None else min(head.position, before - 1)
    return Page(tuple(events), end if looked_to is None else looked_to, head)


def stretch(events: Sequence[Event], head: Head, *, limit: int) -> Page:
    """As `ascending`; what has its fill of bytes is a full page, too."""
    if sum(len(event.body) for event in events) >= STRETCH_BYTES:
        return Page(tuple(events), events[-1].id, head)
    return ascending(events, head, limit=limit)


def newest(events: Sequence[Event], head: Head, *, before: int | None) -> Page:
    """The end of the log, or of what lies before `before`."""
    upto = head.position if before is None else min(head.position, before - 1)
    return Page(tuple(events), upto, head)


def descending(
    events: Sequence[Event], head: Head, *, limit: int, after: int | None, looked_to: int | None = None
) -> Page:
    """A page read downwards: `upto` is its last (lowest) event when it is full, else the lowest id to read, or
    `looked_to`, when it did not look at everything.
    """
    if events and len(events) >= limit:
        return Page(tuple(events), events[-1].id, head)
    return Page(tuple(events), lowest(head, after) if looked_to is None else looked_to, head)


def lowest(head: Head, after: int | None) -> int:
    """The lowest id that there is to read after `after`."""
    return max(after or 0, head.floor) + 1
