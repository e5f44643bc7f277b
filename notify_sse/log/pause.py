"""Stops consuming while the store is away, so that the queue keeps what this process could not store anyway.

RabbitMQ closes the channel of a consumer that keeps a delivery longer than its `consumer_timeout`, and after 20 rounds
of that a message is a dead letter. So everything is given back once, soon, and taken again when the store is back. When
a connection is lost meanwhile, the next one does not consume. Decides only when; the broker does it.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from notify_sse.core.ports import Broker
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.outage import Outage

logger = logging.getLogger(__name__)

PATIENCE_S: Final = 10.0
"""How long the store may be away before deliveries are given back: most restarts of a database are shorter."""
LOOK_S: Final = 0.5
MAX_WAIT_S: Final = 3600.0
STEADY_S: Final = 60.0
"""A store that stayed this long after a pause is back for good: the next pause begins with the shortest wait."""


class Pause:
    """Whether this process consumes, by how long the store has been away.

    `stored` says how many notifications this process has stored so far.
    """

    def __init__(self, broker: Broker, outage: Outage, *, stored: Callable[[], int]) -> None:
        self._broker = broker
        self._outage = outage
        self._stored = stored
        self._returned = asyncio.Event()
        self.paused = False

    def returned(self) -> None:
        """The connection that consumed is lost: with the store away, the next one is not to consume."""
        self._returned.set()

    async def run(self) -> None:
        """Pause and resume, until cancelled."""
        loop = asyncio.get_running_loop()
        wait_s, steady_at, stored = 0.0, 0.0, 0
        while True:
            if not await self._away_too_long():
                continue
            # Each round counts as a delivery. A store that answers but takes no writes (a full disk) would use them up
            # within minutes: so each round in a row waits twice as long. One that took some in between did no harm:
            # the queue went on, and what comes again is not what came in the round before.
            in_vain = loop.time() < steady_at and self._stored() == stored
            wait_s = min(MAX_WAIT_S, 2 * wait_s or PATIENCE_S) if in_vain else 0.0
            await self._pause()
            await asyncio.sleep(wait_s)
            while self._outage.away_s:  # noqa: ASYNC110 - looked at as often as a store is asked again
                await asyncio.sleep(LOOK_S)
            await self._resume()
            self._returned.clear()
            steady_at, stored = loop.time() + STEADY_S, self._stored()

    async def _away_too_long(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._returned.wait()
        returned = self._returned.is_set()
        self._returned.clear()
        away_s = self._outage.away_s
        return away_s >= PATIENCE_S or (returned and away_s > 0)

    async def _pause(self) -> None:
        self.paused = True
        logger.warning(
            "the store is away: deliveries go back to the queue, which keeps them until it is back",
            extra={"action": "pause", "away_s": round(self._outage.away_s, 1)},
        )
        with suppress(BrokerUnavailable):
            await self._broker.pause_consuming()

    async def _resume(self) -> None:
        with suppress(BrokerUnavailable):
            await self._broker.resume_consuming()
        self.paused = False
        logger.warning("consuming again", extra={"action": "resume"})
