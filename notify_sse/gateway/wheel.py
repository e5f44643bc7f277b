"""One clock for thousands of deadlines: a wheel of buckets, in place of a timer each."""

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Things by when they are due, rounded up to `resolution_s`."""

    def __init__(self, *, resolution_s: float) -> None:
        self.resolution_s = resolution_s
        self._buckets: dict[int, list[T]] = {}
        self._turned_to = 0

    def add(self, thing: T, at: float) -> None:
        """`thing` is due at `at`; what is due already comes with the next turn."""
        bucket = max(int(at / self.resolution_s) + 1, self._turned_to + 1)
        self._buckets.setdefault(bucket, []).append(thing)

    def due(self, now: float) -> Iterator[T]:
        """What has fallen due, removed. Things added meanwhile come with a later call."""
        turn = int(now / self.resolution_s)
        for bucket in sorted(bucket for bucket in self._buckets if bucket <= turn):
            self._turned_to = max(self._turned_to, bucket)
            yield from self._buckets.pop(bucket)
