"""Tells when the broker's cluster has grown and our queues have not: at each connect, and now and then, since nodes may
join later. Said once for each state, not at each look.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from notify_sse.core.ports import Finding

logger = logging.getLogger(__name__)

EVERY_S: Final = 60.0


class MembersWatch:
    """`look` gives what there is to say."""

    def __init__(self, look: Callable[[], Awaitable[Finding]]) -> None:
        self._look = look
        self._connected = asyncio.Event()
        self._told = ""

    def connected(self) -> None:
        """The broker was reached: look soon."""
        self._connected.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        await self._connected.wait()
        while True:
            self._connected.clear()
            self._tell(await self._look())
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._connected.wait()
            except TimeoutError:
                continue

    def _tell(self, finding: Finding) -> None:
        if finding.status == "ok" and finding.advice:
            return  # it could not be asked: nothing has changed
        said = finding.detail if finding.status == "error" else ""
        if said and said != self._told:
            logger.error("%s; %s", finding.detail, finding.advice, extra={"action": "members"})
        self._told = said
