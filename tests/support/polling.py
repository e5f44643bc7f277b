"""Waiting for what another process does, where nothing can be awaited."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    condition: Callable[[], Awaitable[T]], *, what: str, within_s: float = 10, every_s: float = 0.02
) -> T:
    """Poll `condition` until it is true; returns it. AssertionError, naming `what`, once `within_s` have passed."""
    deadline = time.monotonic() + within_s
    while not (result := await condition()):
        assert time.monotonic() < deadline, f"waited {within_s:g} s in vain for {what}"
        await asyncio.sleep(every_s)
    return result
