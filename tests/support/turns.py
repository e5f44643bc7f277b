"""How long the event loop works at a stretch, in time of this thread: a box that is busy elsewhere changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def turns() -> AsyncIterator[list[float]]:
    """What everybody else did between two turns of ours, in seconds, as a list that grows."""
    stretches: list[float] = []

    async def watch() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            stretches.append(time.thread_time() - before)

    watching = asyncio.create_task(watch())
    try:
        yield stretches
    finally:
        watching.cancel()
