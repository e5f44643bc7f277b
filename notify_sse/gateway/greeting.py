"""The greeting of a stream: what `connected` tells of a connection, as of the moment in which it is written."""

import random
from collections.abc import Callable
from functools import partial

from notify_sse.core.control import Connected
from notify_sse.core.read_state import Unread
from notify_sse.core.tail import Tail
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.unread import UnreadCounts


class Greetings:
    """Those of one process. `unread` is None when nobody is told what is unread."""

    def __init__(self, tail: Tail, unread: UnreadCounts | None, *, heartbeat_s: float, retry_ms: int) -> None:
        self._tail = tail
        self._unread = unread
        self._heartbeat_s = heartbeat_s
        self._retry_ms = retry_ms
        self._random = random.Random()  # noqa: S311 - spreads load, keeps no secret

    def counts_first(self, connection: Connection, tell: Callable[[Connection], None]) -> bool:
        """Whether it has to be counted first what is unread for `connection`. If so, `tell` hears when that is done."""
        unread = self._unread
        if unread is None or not connection.transport.greets or unread.known(connection.recipient_id):
            return False
        unread.ask(connection.recipient_id, partial(_take_count, connection, tell))
        return True

    def of(self, connection: Connection) -> Connected:
        """The greeting of `connection` now. A number as of before where its stream begins is not told: it lacks what
        the stream never sends.
        """
        counted, connection.counted = connection.counted, None
        known = None if self._unread is None else self._unread.known(connection.recipient_id)
        told = next((one for one in (known, counted) if one and one.at.position >= connection.stream.position), None)
        return greeting(connection, self._tail, told, heartbeat_s=self._heartbeat_s, retry_ms=self.spread_retry_ms())

    def spread_retry_ms(self) -> int:
        """A reconnect delay for one client, spread so that a crowd does not come back at once."""
        return int(self._retry_ms * self._random.uniform(0.5, 1.5))


def _take_count(connection: Connection, tell: Callable[[Connection], None], counted: Unread | None) -> None:
    connection.counted = counted
    tell(connection)


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
