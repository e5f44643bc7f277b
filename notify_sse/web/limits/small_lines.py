"""What is read in many small lines (fields, trailers, the heads of chunks) costs far more than its bytes. All
connections that send such have a tenth of the process together.
"""

import asyncio
import time
from typing import Final

RESTS: Final = 9.0
"""A rest is so many times as long as the work before it."""
MAX_WORK_S: Final = 0.01
"""Longer than any part takes: what was waited for is no work."""


class SmallLines:
    """Shared by the connections of one process."""

    def __init__(self) -> None:
        self._resting = asyncio.Lock()

    async def rest(self, since: float) -> None:
        """After a part that was begun at `since` (`time.monotonic`), and before the next one of its connection. Rests
        of several connections come one after the other. None is held while a part is taken: that may wait for an app.
        """
        worked_s = min(time.monotonic() - since, MAX_WORK_S)
        async with self._resting:
            await asyncio.sleep(RESTS * worked_s)
