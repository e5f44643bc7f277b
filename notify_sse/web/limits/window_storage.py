"""Where the counters of one rate are kept: a storage for `limits`, bounded, in the memory of this process.

The library's own memory storage starts a thread that walks over every counter, up to a hundred times a second. Here an
expired counter goes when the next one begins, and there are never more than `most`: who comes from many addresses at
once, or with many tokens, makes nothing grow.
"""

import time
from collections.abc import Callable
from typing import Final

from limits.storage import Storage

MOST_COUNTERS: Final = 50_000
"""About 15 MB. The oldest goes first: its owner may do a little more than the limit says."""
CLEARED_AT_ONCE: Final = 4
"""More than one begins, so that what has expired is gone soon; few, so that no request pays for all of them."""


class WindowStorage(Storage):
    """Counters whose windows are all equally long, so that they expire in the order in which they began.

    `clock` gives Unix seconds, as the library's.
    """

    STORAGE_SCHEME = None

    def __init__(self, *, most: int = MOST_COUNTERS, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._counters: dict[str, list[float]] = {}
        """The count, and when its window ends."""

    def __len__(self) -> int:
        return len(self._counters)

    @property
    def base_exceptions(self) -> type[Exception]:
        """It talks to nobody, so nothing fails."""
        return OSError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` more; returns how many there are in the window now."""
        now = self._clock()
        counter = self._counters.get(key)
        if counter is None or counter[1] <= now:
            self._counters.pop(key, None)  # it begins again, behind all the others
            self._make_room(now)
            counter = self._counters[key] = [0, now + expiry]
        counter[0] += amount
        return int(counter[0])

    def get(self, key: str) -> int:
        """How many there are in the window now."""
        counter = self._counters.get(key)
        return 0 if counter is None or counter[1] <= self._clock() else int(counter[0])

    def get_expiry(self, key: str) -> float:
        """When the window ends; now, when there is none."""
        counter = self._counters.get(key)
        return self._clock() if counter is None else counter[1]

    def check(self) -> bool:
        """Whether it works: always."""
        return True

    def reset(self) -> int | None:
        """Forget everything; returns how many counters that were."""
        count = len(self._counters)
        self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._counters.pop(key, None)

    def _make_room(self, now: float) -> None:
        for _ in range(CLEARED_AT_ONCE):
            oldest = next(iter(self._counters), None)
            if oldest is None or (self._counters[oldest][1] > now and len(self._counters) < self._most):
                return
            del self._counters[oldest]
