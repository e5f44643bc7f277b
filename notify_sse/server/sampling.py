"""Asks now and then for what no part of the process comes to know by itself: how much waits in the broker's queues, and
how old the log is. And removes from the journal what is older than the log.
"""

import asyncio
import logging
from typing import Final

from notify_sse.core.journal import Journal
from notify_sse.core.ports import Broker
from notify_sse.errors import BrokerUnavailable, StoreUnavailable
from notify_sse.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

EVERY_S: Final = 2.0
UPKEEP_S: Final = 10.0
BATCH: Final = 1000


class Sampling:
    """Every process samples: any of them may be the one that is scraped, or the only one that is left. `removes`: it
    removes what is older than `retention_s` from the journal, too.
    """

    def __init__(
        self, broker: Broker, journal: Journal, metrics: Metrics, *, retention_s: float, removes: bool
    ) -> None:
        self._broker = broker
        self._journal = journal
        self._metrics = metrics
        self._retention_s = retention_s
        self._removes = removes
        self.oldest_event_s = 0.0

    async def run(self) -> None:
        """Look at the queues, until cancelled. While the broker is away, the last values stay."""
        while True:
            if self._broker.connected:
                await self._sample()
            await asyncio.sleep(EVERY_S)

    async def run_upkeep(self) -> None:
        """Look at the log and keep the journal small, until cancelled. Once the store is open."""
        while True:
            try:
                self.oldest_event_s = await self._journal.oldest_event_s()
                if self._removes:
                    await self._expire()
            except StoreUnavailable as exc:
                logger.debug("the journal waits for the store", extra={"action": "sample", "error": str(exc)})
            await asyncio.sleep(UPKEEP_S)

    async def _expire(self) -> None:
        removed = BATCH
        while removed >= BATCH:
            removed = await self._journal.expire(retention_s=self._retention_s, limit=BATCH)

    async def _sample(self) -> None:
        try:
            queued = await self._broker.queued()
        except BrokerUnavailable as exc:
            logger.debug("the queues cannot be looked at", extra={"action": "sample", "error": str(exc)})
        else:
            self._metrics.queued(ingest=queued.ingest, dead=queued.dead)
