"""A lane: units of work on the database, a bounded number at a time. Each goes on in a task of its own once it waits.

A unit that has begun runs to its end even if its caller is cancelled: a cancelled COMMIT or a cancelled release would
leak the connection. So whatever a unit awaits must have a time limit of its own, and no lane may wait for another.

A unit begins within its caller's turn, and answers before its end: to begin in a task costs one turn of the event loop,
to give its connection back four, and in a busy process each of them is milliseconds for which a commit waits, or is
known and nobody told. So up to its first wait a unit must not use what asks for the current task (`notify_sse.eager`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from notify_sse import eager
from notify_sse.errors import StoreUnavailable

T = TypeVar("T")


class Answer(Generic[T]):
    """What a unit's caller waits for."""

    def __init__(self) -> None:
        self.given: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def give(self, value: T) -> None:
        """The caller goes on with `value`, if it still waits."""
        if not self.given.done():
            self.given.set_result(value)

    def settle(self, task: asyncio.Task[None]) -> None:
        """The unit has ended. What it raised is the caller's, unless it was answered before."""
        if task.cancelled():
            self.given.cancel()
        elif (exc := task.exception()) and not self.given.done():
            self.given.set_exception(exc)


class Lane:
    """`width` units at a time; a caller waits at most `wait_s` for its slot."""

    def __init__(self, *, width: int, wait_s: float) -> None:
        self._turns = asyncio.Semaphore(width)
        self._wait_s = wait_s
        self._units: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, unit: Callable[[Answer[T]], Coroutine[Any, Any, None]]) -> T:
        """What `unit` gives as its answer, or raises. Cancelled while it waits for its slot, nothing was begun."""
        if self._turns.locked():
            await self._wait()
        else:
            await self._turns.acquire()
        if self._closed:
            self._turns.release()
            raise StoreUnavailable("the store is closed")
        answer: Answer[T] = Answer()
        try:
            task = eager.start(unit(answer))
        except BaseException:
            self._turns.release()
            raise
        if task is None:
            self._turns.release()
        else:
            self._units.add(task)
            task.add_done_callback(self._ended)
            task.add_done_callback(answer.settle)
        return await answer.given

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
        await asyncio.sleep(0)  # a caller that was begun without a task (`eager`) has one now, as a time limit needs it
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("too many units of work wait for the database") from exc

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._units.discard(task)
        self._turns.release()
