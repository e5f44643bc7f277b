"""How long the door waits for somebody: one timer for all who are waited for as long."""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LOOK_EVERY_S: Final = 0.1
"""At most so often: thousands who keep us waiting must not cost a look each."""


class Patience(Generic[T]):
    """Calls `on_late` for whoever has been waited for longer than `wait_s`; 0: nobody ever is.

    They come in the order in which their time is up, so the first is the next.
    """

    def __init__(self, wait_s: float, on_late: Callable[[T], None]) -> None:
        self._wait_s = wait_s
        self._on_late = on_late
        self._since: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> list[T]:
        """Who is waited for now."""
        return list(self._since)

    @property
    def newest_s(self) -> float:
        """For how long the one who came last is waited for; infinite when nobody is."""
        return asyncio.get_running_loop().time() - next(reversed(self._since.values()), -math.inf)

    def begin(self, one: T) -> None:
        """Wait for `one` from now on."""
        loop = asyncio.get_running_loop()
        self._since[one] = loop.time()
        if self._timer is None and self._wait_s:
            self._timer = loop.call_later(self._wait_s, self._look)

    def end(self, one: T) -> None:
        """`one` is waited for no more. Idempotent."""
        self._since.pop(one, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for one, since in list(self._since.items()):
            left_s = since + self._wait_s - loop.time()
            if left_s > 0:
                self._timer = loop.call_later(max(left_s, LOOK_EVERY_S), self._look)
                return
            self.end(one)
            self._on_late(one)
