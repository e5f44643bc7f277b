"""Run a coroutine at once, without a task, for as long as it does not have to wait.

A write to a stream nearly always finishes without waiting; a task for each would cost more than the write. What does
have to wait goes on in a task of its own. Until then the coroutine runs inside its caller's task, so it must not use
what asks for the current task (timeouts, cancel scopes); `await asyncio.sleep(0)` moves it into its own.
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
    return asyncio.get_running_loop().create_task(_go_on(work, awaited))


async def _go_on(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _rest(work, awaited)


@coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    while True:
        thrown: BaseException | None = None
        try:
            yield awaited
        except BaseException as exc:  # noqa: BLE001 - a cancellation too is the coroutine's to handle
            thrown = exc
        try:
            awaited = work.throw(thrown) if thrown else work.send(None)
        except StopIteration:
            return
