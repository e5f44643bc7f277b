"""What the database keeps of the ways of notifications: the `Journal` port. A row for each connection, and for each run
of notifications that were accepted the same way; and what is asked of them afterwards.

A stream is a cursor: it has written everything on its channels between the position where it was opened and the one
where it ended. So a row for each connection tells of every notification, and costs nothing for each of them.

Beside the `Store`, which keeps the log: an adapter has connections of its own, so nothing here waits for an append or a
replay. Every method raises `StoreUnavailable` when the database cannot be reached or cannot write.
"""

from typing import Protocol

import msgspec


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that was opened. Times are Unix time in ms, by the gateway's clock.

    `position` is where its stream began, in the log of `epoch`. `resumed_at` is the position that its client brought:
    it has received all up to there (0: it brought none, or none of this log). `topics` are those that it reads beside
    its recipient's own channel and `topic:all`. `filtered`: it does not take all that it reads (a long poll of some
    types).
    """

    connection_id: str
    recipient_id: str
    gateway: str
    transport: str
    address_hash: str
    topics: tuple[str, ...]
    filtered: bool
    epoch: str
    position: int
    resumed_at: int
    opened_ms: int


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that has ended: where, when, and why."""

    connection_id: str
    position: int
    closed_ms: int
    reason: str


class Lagging(msgspec.Struct, frozen=True, array_like=True):
    """An open connection that has not written all that its gateway has."""

    connection_id: str
    position: int


class Holder(msgspec.Struct, frozen=True, array_like=True):
    """A recipient, and how many streams it has open at one gateway."""

    recipient_id: str
    streams: int


class ResetTold(msgspec.Struct, frozen=True, kw_only=True):
    """A connection whose client was told that it may have missed something."""

    at_ms: int
    recipient_id: str
    connection_id: str
    reason: str


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a process did since it began: notifications that it `stored`, and wrote to streams; streams `opened` and
    `closed`; requests refused, by limit; resets told, by reason. `delivered`: how many deliveries took how long since
    the commit, one count for each bound of `telemetry.metrics.DELIVERY_S`, and a last one for what took longer.
    """

    stored: int = 0
    written: int = 0
    opened: int = 0
    closed: int = 0
    limited: dict[str, int] = {}
    resets: dict[str, int] = {}
    delivered: tuple[int, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gateway tells of itself with each beat, for whoever looks at all of them: who holds most streams of how
    many `recipients`, the newest resets, and its figures.
    """

    recipients: int = 0
    holders: tuple[Holder, ...] = ()
    resets: tuple[ResetTold, ...] = ()
    figures: Figures = Figures()


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """How far a gateway is, once a second: every open connection of it has written all up to `position`, but those
    `lagging`. `lost`: how many rows it could not keep since it began. `stopped`: it ended in order, with this beat.
    `streams`: how many are open; `lag`: how many events the log has that its tail has not, as far as it knows. Both
    are 0 from a version before, whose report is empty.
    """

    gateway: str
    version: str
    epoch: str
    position: int
    lagging: tuple[Lagging, ...] = ()
    lost: int = 0
    stopped: bool = False
    streams: int = 0
    lag: int = 0
    report: Report = Report()


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications `first` to `last` were accepted over `way`, and committed by `gateway` at about `committed_ms`.

    `announced`: whether they were told to the other processes; they read the log otherwise.
    """

    first: int
    last: int
    way: str
    gateway: str
    committed_ms: int
    announced: bool


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of whom everything was erased: of this gateway's connections none is kept that was opened until
    `until_ms`.
    """

    recipient_id: str
    until_ms: int


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """What one process has to write at a time."""

    beat: Beat
    opened: tuple[Opened, ...] = ()
    closed: tuple[Closed, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    erased: tuple[Forgotten, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in the log. `accepted` is None when nobody noted how it came. `recalled_ms`: when it was taken
    back; 0 when it was not, or when that is not known.
    """

    channel: str
    id: int
    type: str
    timestamp: str
    committed_ms: int
    expires_ms: int
    accepted: Accepted | None
    recalled_ms: int = 0


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipient marked, as the event at `position` tells it: everything up to `upto`, or the notifications
    `ids`, as `read` or not.
    """

    position: int
    at_ms: int
    upto: int
    ids: tuple[str, ...]
    read: bool


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as the journal has it. `closed` is None while it is open, and when its gateway died with it."""

    opened: Opened
    closed: Closed | None


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """The last that was heard of a gateway. Times are of the database's clock; `age_s`: how long ago that was."""

    beat: Beat
    began_ms: int
    beat_ms: int
    age_s: float


class Journal(Protocol):
    """Use it once the `Store` of the same database is open."""

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""

    async def write(self, entries: Entries) -> None:
        """Keep `entries`, in one transaction; erasures come first, perhaps in one of their own. The same connection may
        be opened or closed again: the first stands.
        """

    async def epoch(self) -> str:
        """The epoch of the log now."""

    async def find(self, notification_id: str, channel: str | None) -> list[Found]:
        """Where the log has it: once for each channel, or on `channel` only. At most 20."""

    async def gateways(self, *, since_ms: int) -> list[Gateway]:
        """Those that were heard of since then."""

    async def newest(self, recipient_id: str, *, limit: int) -> list[Row]:
        """The newest connections of a recipient, the newest first."""

    async def since(self, recipient_id: str, *, since_ms: int, limit: int) -> list[Row]:
        """The connections of a recipient that have not ended, or ended since then: the oldest first."""

    async def marks(self, recipient_id: str, *, after: int, limit: int) -> list[Mark]:
        """What the recipient marked since the position `after`, as far as the log has it: the oldest first."""

    async def expire(self, *, retention_s: float, limit: int) -> int:
        """Remove at most `limit` of each of what is older than the log keeps anything. Returns how many rows."""

    async def oldest_event_s(self) -> float:
        """The age of the oldest event in the log, by the database's clock; 0 when there is none."""
