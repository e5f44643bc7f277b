"""A lane: units of work on the database, a bounded number at a time. Each runs in a task of its own.

A unit that has begun runs to its end even if its caller is cancelled: a cancelled COMMIT or a cancelled release would
leak the connection (`databases` keeps one for each task, in a state that the task could not use again). So whatever a
unit awaits must have a time limit of its own, and no lane may wait for another.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from notify_sse.errors import StoreUnavailable

T = TypeVar("T")


class Lane:
    """`width` units at a time; a caller waits at most `wait_s` for its slot."""

    def __init__(self, *, width: int, wait_s: float) -> None:
        self._turns = asyncio.Semaphore(width)
        self._wait_s = wait_s
        self._units: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(self, unit: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `unit()` returns or raises. Cancelled while it waits for its slot, nothing was begun."""
        if self._turns.locked():
            await self._wait()
        else:
            await self._turns.acquire()
        if self._closed:
            self._turns.release()
            raise StoreUnavailable("the store is closed")
        task = asyncio.get_running_loop().create_task(unit())
        self._units.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def open(self) -> None:
        """Take units again after `close`."""
        self._closed = False

    async def close(self, *, within_s: float) -> None:
        """Begin no more units, wait for those that have begun, and cancel those that are not done in time."""
        self._closed = True
        if self._units:
            await asyncio.wait(self._units, timeout=within_s)
        late = set(self._units)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("too many units of work wait for the database") from exc

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._units.discard(task)
        self._turns.release()
        if not task.cancelled():
            task.exception()  # seen: its caller may have been cancelled, and then nobody else looks
