"""What we ask of a database about read state: the `ReadState` port. Beside `ports`, and documented in the same way.

What is unread for a recipient: the notifications of their own channel that are in the log, not expired, not recalled,
not silent, and not read. The state is a position up to which everything is read, and exceptions on both sides of it.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from notify_sse.core.cursor import Cursor
from notify_sse.core.model import Event


class Unread(msgspec.Struct, frozen=True, gc=False):
    """How many notifications are unread, as of the place `at` in the log.

    `read_upto`: everything up to it is read, but for exceptions. `oldest` is the lowest id among the unread (0: none);
    `expiring_ms` the earliest time (Unix) at which one of them expires (0: none does). With either gone, count again.
    """

    count: int
    at: Cursor
    read_upto: Cursor
    oldest: int = 0
    expiring_ms: int = 0


class Marked(msgspec.Struct, frozen=True):
    """What became of a mark: `count` are unread now. `event` is what the log has of it, None when nothing changed."""

    count: int
    epoch: str
    read_upto: Cursor
    event: Event | None


class Marks(msgspec.Struct, frozen=True):
    """What a recipient has read of some part of the log."""

    upto: int
    exceptions: frozenset[int]

    def read(self, position: int) -> bool:
        """Whether the event at `position` is read."""
        return (position <= self.upto) != (position in self.exceptions)


class ReadState(Protocol):
    """Who has read what. A change is committed together with the event that tells of it.

    Every method raises `StoreUnavailable` when the database cannot be reached or cannot write.
    """

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""

    async def unread(self, recipients: Sequence[str]) -> list[Unread]:
        """Of each recipient, in their order, what is unread; all as of the same place in the log."""

    async def mark_upto(self, recipient_id: str, position: int) -> Marked:
        """Everything up to `position` is read (or up to the head, when it is beyond). Idempotent.

        After `StoreUnavailable`, or when cancelled, the outcome is unknown: call again.
        """

    async def mark(self, recipient_id: str, notification_ids: Collection[str], *, read: bool) -> Marked:
        """These are read, or are not. Ids that are not in the log are passed over. As `mark_upto` in all else."""

    async def marks(self, recipient_id: str, positions: Sequence[int]) -> Marks:
        """What the recipient has read, with the exceptions among `positions`."""
