"""The sending side of the live exchange: what this process tells all others, at once and without a promise.

Used by whoever has something to tell (`log/announce`, `auth/revocations`), through the callable `tell`; made by the
process. Decides nothing about what is told.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from notify_sse.core.ports import Broker
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.metrics import Metrics


class LiveExchange:
    """Tells every process that listens. `spawn` runs a coroutine in the background, and sees to it if that crashes."""

    def __init__(
        self, broker: Broker, metrics: Metrics, *, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._broker = broker
        self._metrics = metrics
        self._spawn = spawn

    def tell(self, body: bytes) -> None:
        """Send `body` soon. Returns at once; what does not reach the broker is counted and not tried again."""
        self._spawn(self._send(body))

    async def _send(self, body: bytes) -> None:
        try:
            await self._broker.announce(body)
        except BrokerUnavailable:
            self._metrics.announce_failed.inc()
