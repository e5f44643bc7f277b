"""The rollout in one process: who gets streams now, and the end of the streams of those who no longer do."""

import asyncio
from typing import Final

from notify_sse.core.rollout import Rollout
from notify_sse.errors import NotEnabled
from notify_sse.gateway.registry import Registry

END_WITHIN_S: Final = 2.0
"""Over which streams are ended, so that their clients do not all come back in one moment."""
END_AT_ONCE: Final = 50
"""So few need not be spread."""


class RolloutGate:
    """Asked for every stream that is opened; synchronous. `set` changes it while streams are open."""

    def __init__(self, registry: Registry, rollout: Rollout) -> None:
        self._registry = registry
        self._rollout = rollout

    def enables(self, recipient_id: str) -> bool:
        """Whether `recipient_id` gets streams."""
        return self._rollout.enables(recipient_id)

    def check(self, recipient_id: str) -> None:
        """Raises `NotEnabled` when `recipient_id` gets no streams yet."""
        if not self.enables(recipient_id):
            raise NotEnabled("streams are not enabled for this recipient yet: poll the history instead")

    async def set(self, rollout: Rollout) -> int:
        """From now on `rollout` decides. Ends the streams of recipients that it does not enable, as `drain`: their
        clients come back, and are told. Returns how many.
        """
        if rollout == self._rollout:
            return 0
        self._rollout = rollout  # before the first await: who opens a stream from here on is refused
        disabled = [
            one
            for one in self._registry.connections()
            if one.transport.name != "poll" and not rollout.enables(one.recipient_id)
        ]
        pause_s = END_WITHIN_S / len(disabled) if len(disabled) > END_AT_ONCE else 0.0
        for connection in disabled:
            if not connection.gone and not self.enables(connection.recipient_id):
                self._registry.end(connection, "drain")
            if pause_s:
                await asyncio.sleep(pause_s)
        return len(disabled)
