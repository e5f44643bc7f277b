"""What falls due for a connection, and when: a heartbeat, word of the token's end, the end itself, a stall.

One wheel of deadlines for all connections, in place of timers for each. It says what is due; the pump does it.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from notify_sse.gateway.connection import Connection
from notify_sse.gateway.wheel import Wheel

EXPIRING_LEAD_S: Final = 30.0
"""How long before its token's end a stream says so; a quarter of a short token's time."""


class Fallen(Enum):
    """What has fallen due."""

    HEARTBEAT = auto()
    EXPIRING = auto()
    TOKEN_END = auto()
    STALL = auto()


class Deadlines:
    """Times are monotonic, in seconds, so that a step of the wall clock neither kills nor spares anybody."""

    def __init__(self, *, heartbeat_s: float, stall_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._wheel: Wheel[Connection] = Wheel(resolution_s=min(0.1, heartbeat_s / 4))

    @property
    def resolution_s(self) -> float:
        """How often to look."""
        return self._wheel.resolution_s

    def watch(self, connection: Connection, now: float) -> None:
        """Look after `connection` until it is gone."""
        self._wheel.add(connection, self._next(connection, now))

    def due(self, now: float) -> Iterator[tuple[Connection, Fallen]]:
        """What has fallen due by `now`."""
        for connection in self._wheel.due(now):
            if connection.gone:
                continue
            if fallen := self._fallen(connection, now):
                yield connection, fallen
            self._wheel.add(connection, self._next(connection, now))

    def _fallen(self, connection: Connection, now: float) -> Fallen | None:
        if now - connection.writing_since > self._stall_s:
            return Fallen.STALL
        if connection.ends_at <= now:
            return Fallen.TOKEN_END
        if not connection.warned and connection.ends_at - now <= _lead_s(connection):
            connection.warned = True
            return Fallen.EXPIRING
        return Fallen.HEARTBEAT if now - connection.last_sent >= self._heartbeat_s else None

    def _next(self, connection: Connection, now: float) -> float:
        if connection.close_reason:
            return now + self._stall_s
        token_at = connection.ends_at - (0 if connection.warned else _lead_s(connection))
        return min(connection.last_sent + self._heartbeat_s, token_at, now + self._stall_s)


def _lead_s(connection: Connection) -> float:
    return min(EXPIRING_LEAD_S, (connection.ends_at - connection.opened_at) / 4)
