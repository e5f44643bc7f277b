"""The judge of whether a store or a broker is away. Every part that asks it reports here.

Logs once when it goes away and once when it is back, however many parts notice, each in its own time. Readiness reads
the judgement here; nothing is said to clients.
"""

import logging
import time
from typing import Final

logger = logging.getLogger(__name__)

LOG_HEAD: Final = "head"
"""The part that asks a store where its log stands, once a second in every process. Readiness goes by this part alone: a
store that only takes no writes can still serve streams.
"""


class Outage:
    """The outages of `what`, such as "the store"."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._missing: set[str] = set()
        self._reached: set[str] = set()
        self._since = 0.0
        self._advised: set[str] = set()

    def lost(self, part: str, error: str, *, advice: str = "") -> None:
        """`part` of this process cannot reach it, because of `error`. `advice`: what a person has to do about that."""
        if not self._missing:
            self._since = time.monotonic()
            logger.warning(
                "%s is away; trying again until it is back", self._what, extra={"action": "away", "error": error}
            )
        self._missing.add(part)
        if advice and advice not in self._advised:
            self._advised.add(advice)
            logger.error("%s", advice, extra={"action": "refused", "error": error})

    def back(self, part: str) -> None:
        """`part` reaches it (again). Idempotent."""
        self._reached.add(part)
        if part not in self._missing:
            return
        self._missing.discard(part)
        if not self._missing:
            self._advised.clear()
            outage_s = round(time.monotonic() - self._since, 3)
            logger.warning("%s is back", self._what, extra={"action": "back", "outage_s": outage_s})

    @property
    def away_s(self) -> float:
        """For how many seconds at least one part could not reach it; 0 when all do."""
        return time.monotonic() - self._since if self._missing else 0.0

    def away(self, part: str) -> bool:
        """Whether `part` could not reach it when it last tried."""
        return part in self._missing

    def reached(self, part: str) -> bool:
        """Whether `part` has reached it at all since this process started."""
        return part in self._reached
