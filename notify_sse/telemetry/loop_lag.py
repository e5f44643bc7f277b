"""How late the event loop is: whatever keeps it, all streams of the process wait for."""

import asyncio
from typing import Final

LOOK_S: Final = 0.05


class LoopLag:
    """Looks `1 / LOOK_S` times a second."""

    def __init__(self) -> None:
        self._worst_s = 0.0

    def take(self) -> float:
        """The longest lag in seconds since this was last called."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    async def run(self) -> None:
        """Look, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self._worst_s = max(self._worst_s, loop.time() - due_s)
