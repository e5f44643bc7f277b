"""Run a coroutine at once, without a task, for as long as it does not have to wait.

A write to a stream nearly always finishes without waiting; a task for each would cost more than the write. And a task
begins one turn of the event loop later, which is milliseconds in a busy process. What does have to wait goes on in a
task of its own. Until then the coroutine runs inside its caller's task, so it must not use what asks for the current
task (timeouts, cancel scopes); `await asyncio.sleep(0)` moves it into its own.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any


def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run `work` to its first wait. Returns the task that goes on with it, or None when it is done already.

    An exception before the first wait is raised here, one after it by the task.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return None
    return _Rest(work, awaited)


class _Rest(asyncio.Task[None]):
    """Goes on with `work`. Cancelled before it begins, it cancels what `work` waits for at once, as every task does."""

    def __init__(self, work: Coroutine[Any, Any, None], awaited: Any) -> None:
        rest = _rest(work, awaited)
        rest.send(None)
        super().__init__(rest)
        self._awaited = awaited

    def cancel(self, msg: object = None) -> bool:
        asked = super().cancel(msg)
        if asked and self._awaited is not None:
            self._awaited.cancel()
        return asked


async def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _steps(work, awaited)


@coroutine
def _steps(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    thrown: BaseException | None = None
    try:
        yield  # until its task begins
    except BaseException as exc:  # noqa: BLE001 - cancelled before that
        thrown = exc
    while True:
        if thrown is None:
            try:
                yield awaited
            except BaseException as exc:  # noqa: BLE001 - a cancellation too is the coroutine's to handle
                thrown = exc
        try:
            awaited = work.throw(thrown) if thrown else work.send(None)
        except StopIteration:
            return
        thrown = None
