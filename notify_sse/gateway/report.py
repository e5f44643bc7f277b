"""What a gateway tells of itself with each beat of the journal: who holds most of its streams, the newest resets, and
its figures. So whoever is asked can show all gateways.

Who holds most is kept as streams come and go; the rest is looked up once a second.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from notify_sse.core.control import Reset
from notify_sse.core.journal import Figures, Report, ResetTold
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.holders import Holders

HOLDERS: Final = 20
RESETS: Final = 20


class Reporter:
    """`note_reset` is synchronous and cheap. `figures` gives how much this process did since it began."""

    def __init__(self, figures: Callable[[], Figures], holders: Holders) -> None:
        self._figures = figures
        self._holders = holders
        self._resets: deque[ResetTold] = deque(maxlen=RESETS)

    def note_reset(self, connection: Connection, reset: Reset) -> None:
        """The client of `connection` is told `reset`."""
        told = ResetTold(
            at_ms=int(time.time() * 1000),
            recipient_id=connection.recipient_id,
            connection_id=connection.id,
            reason=reset.reason,
        )
        self._resets.append(told)

    def erased(self, recipient_id: str) -> None:
        """Nothing is to be known any more of this recipient."""
        kept = [told for told in self._resets if told.recipient_id != recipient_id]
        self._resets.clear()
        self._resets.extend(kept)

    def report(self, connections: Iterable[Connection]) -> Report:
        """As of now, of those that are open."""
        return Report(
            recipients=self._holders.recipients,
            holders=self._holders.most(HOLDERS, connections),
            resets=tuple(self._resets),
            figures=self._figures(),
        )
