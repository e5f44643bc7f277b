"""Large bodies are checked one at a time, and whoever has sent several waits for others in between.

The check of some megabytes is a tenth of a second of the event loop. It rests again and again (`log/pace.py`), but ten
of them side by side would have ten stretches between two turns of a stream.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

LARGE_BYTES: Final = 65_536
"""A body below that is one stretch, or few."""


class LargeBodies:
    """Of one process."""

    def __init__(self) -> None:
        self._all = asyncio.Lock()
        self._own: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def checking(self, principal: str, size: int) -> AsyncIterator[None]:
        """A body of `principal`, of `size` bytes, is checked: waits until it may be. A small one need not wait."""
        if size < LARGE_BYTES:
            yield
            return
        # Of each principal one waits for all: so it is one of each, in turn.
        own = self._own.setdefault(principal, asyncio.Lock())
        async with own, self._all:
            yield
