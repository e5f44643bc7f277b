"""Lets others have their turn in the middle of long work on the event loop: a batch is checked item by item, and every
stream of the process waits for as long as that takes at a stretch.
"""

import asyncio
import time
from typing import Final

MAX_STRETCH_S: Final = 0.002
DEAR_STEP_S: Final = 0.00025
"""A step that costs more than ten plain notifications: a few hundred of them are seconds."""


class Pace:
    """For one piece of work. `rest` after each step.

    Work of dear steps rests `rests` times as long as it worked: with 1.0 it has half of the process at most.
    """

    __slots__ = ("_rests", "_since", "_steps")

    def __init__(self, rests: float = 1.0) -> None:
        self._rests = rests
        self._since = time.monotonic()
        self._steps = 0

    async def rest(self) -> None:
        """Let everybody else have a turn, if this work had more than `MAX_STRETCH_S` since the last.

        One turn each, which costs plain work nothing. What others do takes several turns: dear steps leave them time.
        """
        self._steps += 1
        worked_s = time.monotonic() - self._since
        if worked_s > MAX_STRETCH_S:
            await asyncio.sleep(self._rests * worked_s if worked_s > self._steps * DEAR_STEP_S else 0)
            self._since, self._steps = time.monotonic(), 0
