"""Waiting for a condition."""

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], *, within_s: float, every_s: float = 0.02) -> bool:
    """Poll `condition`; False when it was not true within `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every_s)
    return True
