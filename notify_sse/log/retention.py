"""Retention: removes what is too old, a little at a time, so that it never keeps an append waiting."""

import asyncio
import logging
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

    async def run(self) -> None:
        """Remove what has grown too old, again and again, until cancelled."""
        interval_s = min(MAX_INTERVAL_S, self._retention_s / 10)
        while True:
            try:
                while removed := await self._store.expire(retention_s=self._retention_s, limit=BATCH):
                    self._metrics.expired.inc(removed)
                    await asyncio.sleep(PAUSE_S)
            except StoreUnavailable:
                logger.debug("the store is away; retention waits", extra={"action": "expire"})
            await asyncio.sleep(interval_s)
