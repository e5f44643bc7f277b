"""What the log says of a store or a broker that is away: once when it goes and once when it is back, whoever notices.

Several parts lose it and find it again, each in its own time: this is where they agree. Says nothing to clients.
"""

import logging
import time

logger = logging.getLogger(__name__)


class Outage:
    """The outages of `what`, such as "the store"."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._missing: set[str] = set()
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
        if part not in self._missing:
            return
        self._missing.discard(part)
        if not self._missing:
            self._advised.clear()
            outage_s = round(time.monotonic() - self._since, 3)
            logger.warning("%s is back", self._what, extra={"action": "back", "outage_s": outage_s})
