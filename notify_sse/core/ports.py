"""What the service asks of a database and of a message broker: the `Store` and `Broker` ports.

The ports document; the adapters (`store/`, `broker/`) say only what differs. The same contract tests run on each
adapter. Every method of a store raises `StoreUnavailable` when the database cannot be reached or cannot write, every
method of a broker `BrokerUnavailable`; foreign exceptions never pass a port.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from notify_sse.core.model import Event, Notification, TraceContext
from notify_sse.errors import BrokerUnavailable

STORE_RETRY_S: Final = 0.5
"""How soon to ask a store again that is away. Fixed: who asks is few (one opens it, a bounded number replay)."""


STRETCH_BYTES: Final = 262_144
"""Of bodies that one read for the tail asks for: 3 s over a line of 100 KB/s."""


class Head(msgspec.Struct, frozen=True):
    """Where the log stands: its `epoch` (random, new for each new or restored log), the `position` of its newest
    event (0 when it never had one) and its `floor` (events up to it were removed by retention).
    """

    epoch: str
    position: int
    floor: int


class Page(msgspec.Struct, frozen=True):
    """Some of the log, ascending by id, read in one snapshot.

    It is complete up to `upto`: no event that the reader asked for lies at or below `upto` and is missing, unless it
    lay at or below `head.floor`. A reader whose cursor is below `head.floor` may have missed events. `committed_ms`:
    when each of the events was committed, as Unix time; empty where nobody needs it (all but `stretch`).
    """

    events: tuple[Event, ...]
    upto: int
    head: Head
    committed_ms: tuple[int, ...] = ()


class Stored(msgspec.Struct, frozen=True):
    """The outcome of appending one notification; `id` is its place in the log.

    `new`: appended now. `duplicate`: it was there, with the same content. `conflict`: its notification_id was there
    with other content, and nothing was appended.
    """

    outcome: Literal["new", "duplicate", "conflict"]
    id: int


class Appended(msgspec.Struct, frozen=True):
    """The outcome of a batch, in its order. The new ones have contiguous ids, in the batch's order."""

    epoch: str
    stored: tuple[Stored, ...]


class Store(Protocol):
    """The log. Ids are contiguous integers from 1, and commit order is id order: a reader that has seen id N will
    never see an id below N appear later (docs/adr/0003-commit-order.md).
    """

    async def open(self) -> None:
        """Connect and check the schema. On an empty or embedded database, create or migrate it first.

        Raises `StoreUnavailable` (try again), `SchemaOutdated` or `BadConfiguration` (a person is needed). May be
        called again after any of them.
        """

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""

    async def append(self, batch: Sequence[Notification]) -> Appended:
        """Append `batch` in one transaction. Returns after the commit.

        A notification_id is looked up in its whole channel, and among the batch itself (the first one wins).
        Safe to call from several tasks and processes at once. After `StoreUnavailable`, or when cancelled, the outcome
        is unknown: call again with the same batch, what was committed comes back as `duplicate`.
        """

    async def head(self) -> Head:
        """Where the log stands now."""

    async def stretch(self, after: int, *, limit: int) -> Page:
        """The next events of all channels after id `after`, with `committed_ms`; for repairing the tail. At most
        `limit` of them, and no more after `STRETCH_BYTES` of bodies: one read has a time limit, whatever is in the log.
        """

    async def newest(self, *, max_events: int, max_bytes: int, before: int | None = None) -> Page:
        """The newest events of all channels, contiguous up to the head, or to before id `before`; at most that many
        events and bytes of bodies (at least one event when there is any).
        """

    async def after(self, cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        """The next `limit` events on `channels` after `cursor`; one page of a replay.

        Runs on connections of its own, so that replays never keep an append or a repair waiting.
        """

    async def history(
        self,
        channels: Sequence[str],
        *,
        after: int | None,
        before: int | None,
        types: Sequence[str] = (),
        descending: bool = False,
        limit: int,
    ) -> Page:
        """Events on `channels` with `after` < id < `before`, of `types` when given.

        With `types`, a page looks at a bounded number of events: it may hold fewer than `limit`, or none, without being
        the last, and its `upto` says how far it looked.
        Ascending: as `after`. Descending: the newest first in `events`; `upto` is the lowest id that was read, so that
        `before=upto` goes on.
        Uses the same connections as `after`.
        """

    async def expire(self, *, retention_s: float, limit: int) -> int:
        """Remove at most `limit` of the oldest events that are over `retention_s` old by the database's clock, and
        move `floor`, in one transaction. Returns how many were removed; 0 means that none is left to remove.
        """

    async def new_epoch(self, *, instead_of: str | None = None) -> str:
        """Give the log a new epoch, so that every cursor from before is answered with a `reset`. For a restored
        database. Returns it. With `instead_of`, only a log of that epoch gets one, so that of many who ask one does
        it; returns the epoch that the log has then.
        """


class Delivery(msgspec.Struct, frozen=True):
    """One message from the ingest queue. `tag` belongs to the broker."""

    body: bytes
    routing_key: str
    content_type: str
    message_id: str | None
    redelivered: bool
    tag: Any
    content_encoding: str = ""
    timestamp: int = 0
    """The property of that name, as it was sent: seconds of Unix time (AMQP 0-9-1, 4.2.5.4), 0 for none."""
    trace: TraceContext | None = None
    """The headers `traceparent` and `tracestate`."""


class Queued(msgspec.Struct, frozen=True):
    """How many messages are ready in the ingest queue and among the dead letters. Those handed over are not counted."""

    ingest: int
    dead: int


class Message(msgspec.Struct, frozen=True):
    """One message to the notifications exchange."""

    body: bytes
    routing_key: str
    message_id: str
    content_type: str = "application/json"
    content_encoding: str = ""
    timestamp: int = 0
    trace: TraceContext | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused message, with the reason (`BadNotification.REASONS`) and a sentence."""

    body: bytes
    routing_key: str
    content_type: str
    message_id: str | None
    reason: str
    detail: str
    died_at: str
    content_encoding: str = ""
    timestamp: int = 0
    trace: TraceContext | None = None


Chosen = Callable[[DeadLetter], bool]
"""Whether a dead letter is meant."""

Visit = Callable[[DeadLetter], bool]
"""Is shown one dead letter after the other. Returns whether it has seen enough."""


class Listener(msgspec.Struct, frozen=True):
    """What a process wants to hear from the broker; each is called from the event loop and must not block.

    `on_delivery` (roles `all`, `ingest`): one message of the ingest queue, in queue order.
    `on_returned` (with `on_delivery`): every delivery handed over until now and not acked is the queue's again, because
    the connection was lost or consuming was paused. Forget them: each comes again, here or in another process.
    `on_oversized` (with `on_delivery`): a message of so many bytes was moved to the dead letters without being handed
    over, since there was no room to hold it.
    `on_announcement` (roles `all`, `gateway`): one announcement's bytes.
    `on_connected`: after every connect or reconnect, once everything asked for flows again. Announcements
    from before may have been lost: read the log.
    `traces`: deliveries are to carry their `trace`; otherwise it need not be looked for.
    """

    on_connected: Callable[[], None]
    on_delivery: Callable[[Delivery], None] | None = None
    on_returned: Callable[[], None] | None = None
    on_oversized: Callable[[int], None] | None = None
    on_announcement: Callable[[bytes], None] | None = None
    traces: bool = False


class Finding(msgspec.Struct, frozen=True):
    """One thing that `notify-sse doctor` tells. `advice` says what to do, where something is to be done.

    Each adapter diagnoses itself, since only it speaks to its server: `store.diagnose(url)` and `broker.diagnose(url)`
    give findings one by one, as they are made. A diagnosis changes nothing and creates nothing. That the server cannot
    be reached is a finding, not an exception.
    """

    check: str
    status: Literal["ok", "warning", "error"]
    detail: str
    advice: str = ""


class Broker(Protocol):
    """The way in (the ingest queue) and the fast path to every gateway (the live exchange)."""

    @property
    def connected(self) -> bool:
        """Whether messages flow now."""

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies of the deliveries that are handed over and not acked."""

    async def start(self, listener: Listener) -> None:
        """Connect in the background, and stay connected: after a loss, retry for ever with back-off, declare the
        topology again, and call `listener.on_connected`. Returns at once; a broker that is down is logged once,
        not raised.
        """

    async def stop_consuming(self) -> None:
        """No more deliveries. Those not acked go back to the queue when the broker is closed."""

    async def pause_consuming(self) -> None:
        """Give every delivery that is not acked back to the queue, at once, and take no more until `resume_consuming`,
        not after a reconnect either. Idempotent; without a connection it is only remembered.
        """

    async def resume_consuming(self) -> None:
        """Take deliveries again: now, or with the next connection. Idempotent. Not after `stop_consuming`."""

    async def close(self) -> None:
        """Disconnect. Idempotent; never raises."""

    async def publish(self, message: Message) -> None:
        """Publish to the notifications exchange. Returns once it is confirmed by (and safe with) the broker.
        After `BrokerUnavailable` the outcome is unknown: publish again with the same notification_id.
        """

    async def publish_many(self, messages: Sequence[Message]) -> list[BrokerUnavailable | None]:
        """Publish all, in order. The outcome of each: None once it is confirmed, else what `publish` would raise."""

    async def announce(self, body: bytes) -> None:
        """Publish to the live exchange, without waiting for a confirm: every process listening gets it at most
        once, and whatever is lost is repaired from the log.
        """

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """The queue may forget `deliveries`. One whose connection is gone is skipped: it will be redelivered."""

    async def dead_letter(self, delivery: Delivery, *, reason: str, detail: str) -> None:
        """Move a refused message to the dead-letter queue: returns once it is safe there, and only then ack it."""

    async def queued(self) -> Queued:
        """How much waits in the queues now."""

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        """The oldest dead letters, left where they are. All are held at once: for small limits."""

    async def visit_dead_letters(self, visit: Visit) -> None:
        """Show `visit` every dead letter that is there now, the oldest first, until it has seen enough. They are left
        where they are, whatever becomes of this process, and one is held at a time, however many there are. Those that
        come meanwhile may be shown or not. `visit` is called from the event loop and must not block; what it raises
        ends the look.

        After a look was cut short, a queue may have another order.
        """

    async def replay_dead_letters(self, *, limit: int, chosen: Chosen | None = None) -> int:
        """Publish the oldest dead letters that are `chosen` (all, when it is None) to the notifications exchange again,
        each removed once that is confirmed. One with no key of its own keeps the one it came with. Returns how many.
        """

    async def purge_dead_letters(self, *, chosen: Chosen | None = None) -> int:
        """Remove every dead letter that is `chosen` (all, when it is None). Returns how many."""
