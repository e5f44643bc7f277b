"""Control events: what a stream says of itself, between the notifications.

Each is a value. The pump decides which one is due; a transport encodes it in its own form (`encode_control` for the
event stream). Each has a `name`, its `data` as a JSON object, the `cursor` that becomes its id (None: no id), and
`retry_ms` for those that tell the client how long to wait before it reconnects.
"""

from typing import Any, ClassVar, Final, Literal

import msgspec

from notify_sse.core.cursor import Cursor
from notify_sse.core.read_state import Unread

HISTORY_PATH: Final = "/notifications/history"

ResetReason = Literal["expired", "unknown_epoch", "ahead_of_log"]
CloseReason = Literal["drain", "token_expired", "revoked", "replaced", "slow_consumer"]


class Connected(msgspec.Struct, frozen=True):
    """The first event of every stream.

    When a `reset` follows that the client must not miss, `cursor` is None: a client that is cut off between the two
    still holds its old cursor, and is told of the reset again. `stands_at` is where the stream stands in either case.
    `unread`: None when the read state is off, or cannot be read now.
    """

    stands_at: Cursor
    cursor: Cursor | None
    heartbeat_s: float
    connection_id: str
    recipient_id: str
    retry_ms: int
    unread: Unread | None = None
    name: ClassVar[str] = "connected"

    @property
    def data(self) -> dict[str, Any]:
        data = {
            "cursor": str(self.stands_at),
            "heartbeat_s": self.heartbeat_s,
            "connection_id": self.connection_id,
            "recipient_id": self.recipient_id,
        }
        if self.unread:
            data |= {"unread": self.unread.count, "unread_upto": str(self.unread.at)}
        return data


class Heartbeat(msgspec.Struct, frozen=True):
    """A sign of life. It carries the cursor, so that an idle client's Last-Event-ID stays young."""

    cursor: Cursor
    retry_ms: ClassVar[int | None] = None
    name: ClassVar[str] = "heartbeat"

    @property
    def data(self) -> dict[str, Any]:
        return {"cursor": str(self.cursor)}


class Reset(msgspec.Struct, frozen=True):
    """What lay between `came` (None when it was no cursor) and `to` may be lost. The stream goes on from `to`.

    `topics` are those that the client named: the history that it is pointed to takes them too. `root` is the path under
    which it sees the service.
    """

    reason: ResetReason
    came: Cursor | None
    to: Cursor
    topics: tuple[str, ...] = ()
    root: str = ""
    retry_ms: ClassVar[int | None] = None
    name: ClassVar[str] = "reset"

    @property
    def cursor(self) -> Cursor:
        return self.to

    @property
    def data(self) -> dict[str, Any]:
        """Also the `reset` of an answer of the history."""
        history = f"{self.root}{HISTORY_PATH}?before={self.to.epoch}.{self.to.position + 1}&order=desc"
        if self.topics:
            history += f"&topics={','.join(self.topics)}"
        came = str(self.came) if self.came else None
        return {"reason": self.reason, "from": came, "to": str(self.to), "history": history}


class Expiring(msgspec.Struct, frozen=True):
    """The token ends soon: time to connect again with a new one."""

    cursor: Cursor
    expires_in_s: float
    retry_ms: ClassVar[int | None] = None
    name: ClassVar[str] = "expiring"

    @property
    def data(self) -> dict[str, Any]:
        return {"cursor": str(self.cursor), "expires_in_s": round(self.expires_in_s, 3)}


class Closing(msgspec.Struct, frozen=True):
    """The last event of a stream that the service ends."""

    cursor: Cursor
    reason: CloseReason
    retry_ms: int
    name: ClassVar[str] = "closing"

    @property
    def data(self) -> dict[str, Any]:
        return {"reason": self.reason, "retry_ms": self.retry_ms, "cursor": str(self.cursor)}


class Busy(msgspec.Struct, frozen=True):
    """The only event of a stream that is refused for load. With data: some clients take a `retry:` alone for an empty
    message.
    """

    retry_ms: int
    cursor: ClassVar[Cursor | None] = None
    name: ClassVar[str] = "closing"

    @property
    def data(self) -> dict[str, Any]:
        return {"reason": "busy", "retry_ms": self.retry_ms}


def under(event: "ControlEvent", root: str) -> "ControlEvent":
    """`event` for a client that sees the service under the path `root`."""
    return msgspec.structs.replace(event, root=root) if root and isinstance(event, Reset) else event


ControlEvent = Connected | Heartbeat | Reset | Expiring | Closing | Busy
