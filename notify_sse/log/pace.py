"""Lets others have their turn in the middle of long work on the event loop: a batch is checked item by item, and every
stream of the process waits for as long as that takes at a stretch.
"""

import asyncio
import time
from typing import Final

MAX_STRETCH_S: Final = 0.002


class Pace:
    """For one piece of work. `rest` after each step."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def rest(self) -> None:
        """Let everybody else have a turn, if this work had more than `MAX_STRETCH_S` since the last."""
        if time.monotonic() - self._since > MAX_STRETCH_S:
            await asyncio.sleep(0)
            self._since = time.monotonic()
