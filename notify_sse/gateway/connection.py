"""A connection: one client's stream, the transport that it is written to, and what is known of whoever opened it.

Who changes what: the stream moves its own cursor, `Timing` is told by the pump, `due` and `busy` belong to the pump,
`page_events` to the replays; `close` and `abandon` here are the only ways to an end.
"""

from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

import msgspec

from notify_sse.auth.grant import TokenFacts
from notify_sse.core.control import CloseReason, ControlEvent, Reset
from notify_sse.core.frames import Frame
from notify_sse.core.read_state import Unread
from notify_sse.core.stream import Stream

NEVER: Final = float("inf")
FIRST_PAGE_EVENTS: Final = 128


class Due:
    """What is due for a connection, as bits. The first six are written to it; each control event is built at write
    time, so that it carries the current cursor. `COUNTED` is the greeting that waited for a count. The last two are
    deadlines that end it.

    Plain numbers: each `&` of an `enum.Flag` takes a microsecond, and a heartbeat has eight of them.
    """

    NOTHING: Final = 0
    CONNECTED: Final = 1
    COUNTED: Final = 2
    RESET: Final = 4
    EXPIRING: Final = 8
    CLOSING: Final = 16
    HEARTBEAT: Final = 32
    TOKEN_END: Final = 64
    STALL: Final = 128


class Transport(Protocol):
    """What a connection is written to: an SSE response, a WebSocket, a long poll. The pump alone calls it, and never
    two methods at a time.

    The first three return None when the client takes more, else what to wait for until it does. A client that is gone
    swallows everything.
    """

    name: str
    """As in the metrics' label `transport`."""
    greets: bool
    """Whether the client sees the greeting."""
    takes_all: bool
    """Whether it passes on all that it is given. A long poll of some types does not."""

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        """Send `frames`."""

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        """Send a control event."""

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        """End the response or the connection, after the `closing` event."""

    def abort(self) -> None:
        """End without a word a client that takes nothing."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes that were written and that the kernel has not taken yet, as far as it is known here."""


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a connection comes from, for records: its client's `address`, and the id of the request that opened it."""

    address: str = ""
    request_id: str = ""


UNKNOWN_ORIGIN: Final = Origin()


class Timing:
    """When things happened to a connection, and when they will. Monotonic seconds."""

    __slots__ = ("bucket", "ends_at", "last_sent", "opened_at", "token_since", "warned", "writing_since")

    def __init__(self) -> None:
        self.opened_at = self.last_sent = self.token_since = 0.0
        self.bucket = 0
        """When to look at it next: its place among the deadlines."""
        self.ends_at = NEVER
        self.writing_since = NEVER
        self.warned = False

    def begin(self, now: float, *, last_sent: float, ends_at: float) -> None:
        """The connection opens. `last_sent` is set back at random, so that heartbeats spread."""
        self.opened_at, self.last_sent = now, last_sent
        self.renew(now, ends_at=ends_at)

    def renew(self, now: float, *, ends_at: float) -> None:
        """Its token, taken now, ends then."""
        self.token_since, self.ends_at, self.warned = now, ends_at, False

    def wait(self, now: float) -> None:
        """A write began that the client does not take at once."""
        self.writing_since = now

    def wrote(self, now: float) -> None:
        """A write is done."""
        self.writing_since, self.last_sent = NEVER, now


class Connection:
    """One open connection.

    `recipient_id` is whose token opened it, `expires_at` that token's end (Unix seconds), `token` says
    which it was, for revocation. `reset` is told right after the greeting. `busy`: the pump waits for its client or for
    the log. `gone`: it has ended, and nothing more is written. `opened_at`: the tail's position when it was opened.
    `resumed`: its client brought the cursor at which it begins. `counted`: what was unread when it was counted for its
    greeting, until that is written.
    """

    __slots__ = (
        "busy",
        "close_reason",
        "counted",
        "due",
        "expires_at",
        "gone",
        "id",
        "opened_at",
        "origin",
        "page_events",
        "recipient_id",
        "reset",
        "resumed",
        "stream",
        "timing",
        "token",
        "transport",
    )

    def __init__(
        self,
        stream: Stream,
        transport: Transport,
        *,
        connection_id: str,
        recipient_id: str,
        token: TokenFacts | None = None,
        expires_at: float = NEVER,
        reset: Reset | None = None,
        origin: Origin = UNKNOWN_ORIGIN,
        resumed: bool = False,
    ) -> None:
        self.stream = stream
        self.transport = transport
        self.id = connection_id
        self.recipient_id = recipient_id
        self.token = token or TokenFacts(recipient_id, "")
        self.expires_at = expires_at
        self.reset = reset
        self.origin = origin
        self.resumed = resumed
        self.timing = Timing()
        self.opened_at = 0
        self.due: int = Due.NOTHING
        self.busy = self.gone = False
        self.page_events = FIRST_PAGE_EVENTS
        self.close_reason: CloseReason | None = None
        self.counted: Unread | None = None

    def close(self, reason: CloseReason) -> bool:
        """Note why it ends. Returns whether this is the first reason, which stands."""
        if self.close_reason is not None:
            return False
        self.close_reason = reason
        return True

    def leave(self) -> None:
        """It has ended: nothing more is written."""
        self.gone = True

    def abandon(self) -> None:
        """End it without a word: nothing more can be written to it."""
        self.gone = True
        self.transport.abort()
