"""Waiting for what sets no event of its own: another process, another task, a database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def becomes_true(condition: Callable[[], object], *, within_s: float, every_s: float = 0.02) -> bool:
    """Poll `condition`; False when it was not true within `within_s`."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(every_s)
    return True


async def until(
    condition: Callable[[], object], *, what: str = "a condition", within_s: float = 20, every_s: float = 0.002
) -> None:
    """Returns once `condition()` holds. AssertionError, naming `what`, once `within_s` have passed."""
    assert await becomes_true(condition, within_s=within_s, every_s=every_s), (
        f"waited {within_s:g} s in vain for {what}"
    )


async def eventually(
    condition: Callable[[], Awaitable[T]], *, what: str = "a condition", within_s: float = 15, every_s: float = 0.02
) -> T:
    """Await `condition()` again and again until its result is true; returns that. AssertionError as of `until`."""
    deadline = time.monotonic() + within_s
    while not (result := await condition()):
        assert time.monotonic() < deadline, f"waited {within_s:g} s in vain for {what}"
        await asyncio.sleep(every_s)
    return result
