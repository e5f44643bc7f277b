"""Retention: removes what is too old, a little at a time, so that it never keeps an append waiting."""

import asyncio
import logging
import time
from typing import Final

from notify_sse.core.ports import Store
from notify_sse.errors import StoreUnavailable
from notify_sse.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

BATCH: Final = 1000
PAUSE_S: Final = 0.05
"""Between two batches, so that retention never keeps the database busy for long."""
MAX_INTERVAL_S: Final = 60.0


class Retention:
    """Every process with ingest runs one; several at once only share the work."""

    def __init__(self, store: Store, metrics: Metrics, *, retention_s: float) -> None:
        self._store = store
        self._metrics = metrics
        self._retention_s = retention_s
        self._interval_s = min(MAX_INTERVAL_S, retention_s / 10)
        self._due_s = time.monotonic() + self._interval_s
        self._advised = ""

    @property
    def lag_s(self) -> float:
        """For how many seconds what is too old has not been removed, although it was due."""
        return max(0.0, time.monotonic() - self._due_s)

    async def run(self) -> None:
        """Remove what has grown too old, again and again, until cancelled."""
        while True:
            try:
                while removed := await self._store.expire(retention_s=self._retention_s, limit=BATCH):
                    self._metrics.expired.inc(removed)
                    await asyncio.sleep(PAUSE_S)
            except StoreUnavailable as exc:
                self._report(exc)
            else:
                self._due_s = time.monotonic() + 2 * self._interval_s
                self._advised = ""
            await asyncio.sleep(self._interval_s)

    def _report(self, exc: StoreUnavailable) -> None:
        """That the store is away is told by others. What only a person can end is told here, once: nothing else fails,
        while the log grows for ever.
        """
        if exc.advice and exc.advice != self._advised:
            self._advised = exc.advice
            logger.error(
                "what is too old is not removed, and the log grows: %s",
                exc.advice,
                extra={"action": "expire", "error": str(exc)},
            )
        else:
            logger.debug("retention waits for the store", extra={"action": "expire"})
