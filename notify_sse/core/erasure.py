"""What we ask of a database to take content back out of the log: the `Erasure` port. Beside `ports`, and documented in
the same way.

What is taken out leaves a tombstone (`model.GONE`): its place and its notification_id, so that no id is used twice and
a repeated publish stays a duplicate. What tells every tail of it is a row of the log, with `erases`.
"""

from typing import Protocol

import msgspec

from notify_sse.core.model import Event


class Recalled(msgspec.Struct, frozen=True):
    """A notification that is recalled. `event` is what the log has of it, None when it was recalled before."""

    epoch: str
    event: Event | None


class Erased(msgspec.Struct, frozen=True):
    """Everything of a recipient is erased: `count` notifications. `event` is what the log has of it."""

    epoch: str
    event: Event
    count: int


class StoredRow(msgspec.Struct, frozen=True):
    """A row of the log, as it is exported. `stored_ms` is Unix time; a tombstone has an empty body."""

    id: int
    notification_id: str | None
    """None: the service wrote it."""
    type: str
    body: bytes
    stored_ms: int


class StoredRows(msgspec.Struct, frozen=True):
    """Some of what is stored of a recipient, ascending by id, in the log of `epoch`."""

    epoch: str
    rows: tuple[StoredRow, ...]


class Erasure(Protocol):
    """Takes content out of the log.

    Every method raises `StoreUnavailable` when the database cannot be reached or cannot write; then, or when cancelled,
    the outcome is unknown: call again.
    """

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        """Erase the body of one notification, and append the event that says so. None when it is not in the log."""

    async def erase(self, recipient_id: str) -> Erased:
        """Erase the content of everything on the recipient's channel, what they have read, and when and from where
        they were connected; append the event that says so. For a large channel these are several transactions.
        """

    async def stored(self, recipient_id: str, *, after: int, limit: int) -> StoredRows:
        """The next `limit` rows of the recipient's channel after id `after`."""
