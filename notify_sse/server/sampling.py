"""Asks now and then for what no part of the process comes to know by itself: how much waits in the broker's queues."""

import asyncio
import logging
from typing import Final

from notify_sse.core.ports import Broker
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

EVERY_S: Final = 2.0


class Sampling:
    """Every process samples: any of them may be the one that is scraped, or the only one that is left."""

    def __init__(self, broker: Broker, metrics: Metrics) -> None:
        self._broker = broker
        self._metrics = metrics

    async def run(self) -> None:
        """Sample, until cancelled. While the broker is away, the last values stay."""
        while True:
            if self._broker.connected:
                await self._sample()
            await asyncio.sleep(EVERY_S)

    async def _sample(self) -> None:
        try:
            queued = await self._broker.queued()
        except BrokerUnavailable as exc:
            logger.debug("the queues cannot be looked at", extra={"action": "sample", "error": str(exc)})
        else:
            self._metrics.queued(ingest=queued.ingest, dead=queued.dead)
