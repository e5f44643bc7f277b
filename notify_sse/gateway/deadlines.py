"""What is due for a connection, and when: a heartbeat, word of the token's end, the end itself, a stall.

One wheel of deadlines for all connections, in place of timers for each. It says what is due; the pump does it.
"""

from collections.abc import Iterator
from typing import Final

from notify_sse.gateway.connection import Connection, Due

EXPIRING_LEAD_S: Final = 30.0
"""How long before its token's end a stream says so; a quarter of a short token's time."""


class Deadlines:
    """Times are monotonic, in seconds, so that a step of the wall clock neither kills nor spares anybody.

    Connections lie in buckets by when to look at them next, rounded up to `resolution_s`.
    """

    def __init__(self, *, heartbeat_s: float, stall_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self.resolution_s = min(0.1, heartbeat_s / 4)
        """How often to look."""
        self._buckets: dict[int, list[Connection]] = {}
        self._looked_at = 0

    def watch(self, connection: Connection, now: float) -> None:
        """Look after `connection` until it is gone. Again, when what was due at some time is due at another."""
        self._put(connection, self._next(connection, now))

    def wait(self, connection: Connection, now: float) -> None:
        """A write began that the client does not take at once: look again in time for a stall."""
        connection.timing.wait(now)
        stalls_at = now + self._stall_s
        if self._bucket(stalls_at) < connection.timing.bucket:
            self._put(connection, stalls_at)

    def due(self, now: float) -> Iterator[tuple[Connection, int]]:
        """What is `Due` at `now`: each connection at most once, with the gravest."""
        for connection in self._take_due(now):
            if connection.gone:
                continue
            if due := self._due(connection, now):
                yield connection, due
            self._put(connection, self._next(connection, now))

    def _put(self, connection: Connection, at: float) -> None:
        connection.timing.bucket = bucket = self._bucket(at)
        self._buckets.setdefault(bucket, []).append(connection)

    def _bucket(self, at: float) -> int:
        # What is late already goes into the next bucket, or a look that is under way would never end.
        return max(int(at / self.resolution_s) + 1, self._looked_at + 1)

    def _take_due(self, now: float) -> Iterator[Connection]:
        """Those whose bucket has come, taken out of the wheel."""
        current = int(now / self.resolution_s)
        for bucket in sorted(bucket for bucket in self._buckets if bucket <= current):
            self._looked_at = max(self._looked_at, bucket)
            for connection in self._buckets.pop(bucket):
                if connection.timing.bucket == bucket:  # else it was put into another since
                    yield connection

    def _due(self, connection: Connection, now: float) -> int:
        timing = connection.timing
        if now - timing.writing_since > self._stall_s:
            return Due.STALL
        if timing.ends_at <= now:
            return Due.TOKEN_END
        if not timing.warned and timing.ends_at - now <= _lead_s(connection):
            timing.warned = True
            return Due.EXPIRING
        return Due.HEARTBEAT if now - timing.last_sent >= self._heartbeat_s else Due.NOTHING

    def _next(self, connection: Connection, now: float) -> float:
        timing = connection.timing
        if connection.close_reason:
            return min(now, timing.writing_since) + self._stall_s
        token_at = timing.ends_at - (0 if timing.warned else _lead_s(connection))
        return min(timing.last_sent + self._heartbeat_s, token_at, timing.writing_since + self._stall_s)


def _lead_s(connection: Connection) -> float:
    timing = connection.timing
    return min(EXPIRING_LEAD_S, (timing.ends_at - timing.token_since) / 4)
