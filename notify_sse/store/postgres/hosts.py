"""The first of several servers that answers as it should. asyncpg tries one after the other within one time limit: a
host that is off, and does not even refuse, would take all of it, and no failover would ever be seen.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg

STAGGER_S: Final = 0.3
"""How long a host has before the next one is tried as well."""
NOT_THIS_ONE: Final = (
    OSError,
    TimeoutError,
    asyncpg.exceptions.TargetServerAttributeNotMatched,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
)
"""What leaves the choice to the next host: it is away, starts, or is a standby. A refusal of the user does not."""


Attempt = asyncio.Task[asyncpg.Connection]


async def first_of(urls: Sequence[str], connect: Callable[[str], Awaitable[asyncpg.Connection]]) -> asyncpg.Connection:
    """The first connection of `connect(url)`; the order of `urls` decides between those that answer at once.

    Raises what the last of them raised, or at once what is not in `NOT_THIS_ONE`.
    """
    waiting, tried = list(urls), list[Attempt]()
    chosen: Attempt | None = None
    try:
        while chosen is None:
            if waiting:
                tried.append(asyncio.ensure_future(connect(waiting.pop(0))))
            running = [task for task in tried if not task.done()]
            if running:
                timeout_s = STAGGER_S if waiting else None
                await asyncio.wait(running, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            chosen = _decision(tried, more=bool(waiting))
        return chosen.result()
    finally:
        for task in tried:
            if task is not chosen:
                task.add_done_callback(_let_go)
                task.cancel()


def _decision(tried: Sequence[Attempt], *, more: bool) -> Attempt | None:
    """The task that decides: one that is connected, one that was refused, or the last, when all have failed."""
    done = [task for task in tried if task.done()]
    failures = [(task, task.exception()) for task in done]
    for task, failure in failures:
        if failure is None or not isinstance(failure, NOT_THIS_ONE):
            return task
    return tried[-1] if not more and len(done) == len(tried) else None


def _let_go(task: Attempt) -> None:
    """One that answered after another was taken."""
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()
