"""Keeps a process to the rollout that the database has: asks once a second, whether or not there is a broker."""

import asyncio
import logging
from typing import Final

from notify_sse.config import Settings
from notify_sse.core.rollout import Rollout, RolloutRecords
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.rollout import RolloutGate
from notify_sse.telemetry.adoption import RecipientsSeen

logger = logging.getLogger(__name__)

ASK_S: Final = 1.0


def rollout_of(settings: Settings) -> Rollout:
    """What the settings say, as long as nobody says something else."""
    return Rollout(settings.rollout_percent, frozenset(settings.rollout_allow), frozenset(settings.rollout_deny))


class RolloutWatch:
    """Asks `records`, tells `gate`. While the database is away, what it said last holds."""

    def __init__(
        self,
        records: RolloutRecords,
        gate: RolloutGate,
        registry: Registry,
        seen: RecipientsSeen,
        *,
        settings: Rollout,
    ) -> None:
        self._records = records
        self._gate = gate
        self._registry = registry
        self._seen = seen
        self._settings = settings
        self._hour = seen.hour

    async def run(self) -> None:
        """Ask, again and again, until cancelled."""
        while True:
            await asyncio.sleep(ASK_S)
            await self.ask()
            self.note_open_streams()

    async def ask(self) -> None:
        """Ask once. Before the first answer the settings hold."""
        try:
            change = await self._records.read()
        except StoreUnavailable as exc:
            # That the store is away is told elsewhere, once.
            logger.debug(
                "the rollout cannot be read; what was set last holds", extra={"action": "rollout", "error": str(exc)}
            )
            return
        rollout = self._settings.changed(change)
        ended = await self._gate.set(rollout)
        if ended:
            logger.info(
                "streams of recipients that are not enabled any more were ended",
                extra={"action": "rollout", "percent": rollout.percent, "streams": ended},
            )

    def note_open_streams(self) -> None:
        """A stream may stay open for longer than a day: it counts in each hour of its life."""
        if self._hour == self._seen.hour:
            return
        self._hour = self._seen.hour
        for connection in self._registry.connections():
            self._seen.note("poll" if connection.transport.name == "poll" else "stream", connection.recipient_id)
