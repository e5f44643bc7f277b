"""The greeting of a stream: what `connected` tells of a connection, as of the moment in which it is written."""

from notify_sse.core.control import Connected
from notify_sse.core.read_state import Unread
from notify_sse.core.tail import Tail
from notify_sse.gateway.connection import Connection


def greeting(
    connection: Connection, tail: Tail, unread: Unread | None, *, heartbeat_s: float, retry_ms: int
) -> Connected:
    """The greeting of `connection`. It carries an id unless a reset follows that the client must not miss."""
    cursor, reset = connection.stream.seen(tail), connection.reset
    return Connected(
        stands_at=cursor,
        cursor=cursor if reset is None or reset.reason == "expired" else None,
        heartbeat_s=heartbeat_s,
        connection_id=connection.id,
        recipient_id=connection.recipient_id,
        retry_ms=retry_ms,
        unread=unread,
    )
