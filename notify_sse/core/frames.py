"""What goes over the wire of a stream: cursors, frames, control events.

A cursor is `<epoch>.<position>`; the event stream format is the WHATWG HTML standard, section 9.2. Pure: bytes in,
bytes out. `id` goes only on events with data, because Firefox drops it elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from notify_sse.core.model import Event

HISTORY_PATH: Final = "/notifications/history"
MAX_CURSOR_CHARS: Final = 128
CURSOR: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,62})")
_encode = msgspec.json.Encoder().encode

RESERVED: Final = frozenset(("connected", "heartbeat", "reset", "expiring", "closing", "open", "error"))

ResetReason = Literal["expired", "unknown_epoch", "ahead_of_log"]
CloseReason = Literal["drain", "token_expired", "revoked", "replaced", "slow_consumer"]


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """A place in the log of one `epoch`: everything up to `position` has been seen."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.position}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor in `text`, or None when it is not one. Strict: it comes from the network."""
    if len(text) > MAX_CURSOR_CHARS:
        return None
    match = CURSOR.fullmatch(text)
    return Cursor(match[1], int(match[2])) if match else None


class Frame(msgspec.Struct, frozen=True, gc=False):
    """An event, encoded once for every stream that sends it: `data` is its block of the event stream."""

    id: int
    channel: str
    type: str
    expires_ms: int
    data: bytes

    @property
    def body(self) -> bytes:
        """The notification's JSON document."""
        return self.data[self.data.index(b"\ndata: ") + 7 : -2]


def frame(event: Event, epoch: str) -> Frame:
    """`event` of the log of `epoch` as its frame. A body is one line: JSON escapes every line end."""
    data = b"id: %b.%d\ndata: %b\n\n" % (epoch.encode(), event.id, event.body)
    return Frame(event.id, event.channel, event.type, event.expires_ms, data)


class Control(msgspec.Struct, frozen=True):
    """An event of the stream itself. `cursor` becomes its `id`, `retry_ms` its `retry`, where given."""

    event: str
    data: dict[str, Any]
    cursor: str | None = None
    retry_ms: int | None = None


def connected(cursor: Cursor, *, resumable: bool, heartbeat_s: float, connection_id: str, retry_ms: int) -> Control:
    """The first event of every stream.

    Not `resumable` (a `reset` follows): it carries no id, so that a client cut off between the two still holds
    its old cursor and is told of the reset again.
    """
    data = {"cursor": str(cursor), "heartbeat_s": heartbeat_s, "connection_id": connection_id}
    return Control("connected", data, str(cursor) if resumable else None, retry_ms)


def heartbeat(cursor: Cursor) -> Control:
    """Sign of life; carries the cursor, so that an idle client's Last-Event-ID stays young."""
    return Control("heartbeat", {"cursor": str(cursor)}, str(cursor))


class Reset(msgspec.Struct, frozen=True):
    """What lay between `came` (None when it was no cursor) and `to` may be lost; the stream goes on from `to`."""

    reason: ResetReason
    came: Cursor | None
    to: Cursor

    def control(self, topics: Sequence[str] = ()) -> Control:
        return Control("reset", self.data(topics), str(self.to))

    def data(self, topics: Sequence[str] = ()) -> dict[str, Any]:
        """The `data` of the event, also used in the answers of the history. `topics`: those that the client named."""
        history = f"{HISTORY_PATH}?before={self.to.epoch}.{self.to.position + 1}&order=desc"
        if topics:
            history += f"&topics={','.join(topics)}"
        came = str(self.came) if self.came else None
        return {"reason": self.reason, "from": came, "to": str(self.to), "history": history}


def expiring(cursor: Cursor, *, expires_in_s: float) -> Control:
    """The token ends soon: time to connect again with a new one."""
    return Control("expiring", {"cursor": str(cursor), "expires_in_s": round(expires_in_s, 3)}, str(cursor))


def closing(cursor: Cursor, *, reason: CloseReason, retry_ms: int) -> Control:
    """The last event of a stream that the service ends."""
    data = {"reason": reason, "retry_ms": retry_ms, "cursor": str(cursor)}
    return Control("closing", data, str(cursor), retry_ms)


def encode_control(control: Control) -> bytes:
    """`control` as a block of the event stream."""
    retry = b"retry: %d\n" % control.retry_ms if control.retry_ms is not None else b""
    cursor = b"id: %b\n" % control.cursor.encode() if control.cursor else b""
    return b"%b%bevent: %b\ndata: %b\n\n" % (retry, cursor, control.event.encode(), _encode(control.data))


def encode_frames(frames: Iterable[Frame], *, event_names: bool) -> bytes:
    """`frames` as one piece of the event stream; with `event_names` each has its type in `event:`, but for types that
    a client would take for an event of the stream itself, or of EventSource.
    """
    if event_names:
        return b"".join(_named(frame) for frame in frames)
    return b"".join([frame.data for frame in frames])


def _named(frame: Frame) -> bytes:
    return frame.data if frame.type in RESERVED else b"event: %b\n%b" % (frame.type.encode(), frame.data)
