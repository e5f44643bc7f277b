"""The receiving side of the live exchange: each message to the part that it is for.

What cannot be read may have been an announcement, so the log is asked. A message of a kind that only a later version
knows is for that version's processes: during a rolling deploy both are there.
"""

from collections.abc import Callable
from typing import assert_never

from notify_sse.core.model import (
    Announcement,
    Ending,
    Revocation,
    RevocationsChanged,
    Unknown,
    decode_live,
)
from notify_sse.telemetry.metrics import Metrics


class LiveMessages:
    """`take` gets announcements, `revoke` revoked tokens, `end` the id of a connection that is to end; `ask` is called
    when the revocations changed, `repair` when something may be lost.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        take: Callable[[Announcement], None],
        revoke: Callable[[Revocation], None],
        end: Callable[[str], object],
        ask: Callable[[], None],
        repair: Callable[[], None],
    ) -> None:
        self._metrics = metrics
        self._take = take
        self._revoke = revoke
        self._end = end
        self._ask = ask
        self._repair = repair

    def hear(self, body: bytes) -> None:
        """One message from the broker. Synchronous; takes anything."""
        match decode_live(body):
            case Announcement() as announcement:
                self._take(announcement)
            case Revocation() as revocation:
                self._revoke(revocation)
            case RevocationsChanged():
                self._ask()
            case Ending(connection_id=connection_id):
                self._end(connection_id)
            case Unknown():
                pass
            case None:
                self._metrics.announcements_unreadable.inc()
                self._repair()
            case other:
                assert_never(other)
