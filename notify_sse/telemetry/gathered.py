"""What is counted and timed very often: added up in plain numbers, and given to Prometheus once a second.

`Counter.inc` and `Histogram.observe` of prometheus-client take one value at a time, lock, and with several workers
write to a file. A broadcast to ten thousand streams would pay for that ten thousand times, and each batch several.
"""

from bisect import bisect_left
from typing import Any, Final

from prometheus_client import Counter, Histogram


class Count:
    """Gathers what is counted for one series of a counter. `total` is what was, in this process, flushed or not."""

    def __init__(self, series: Counter) -> None:
        self._series: Final = series
        self._flushed = self.total = 0

    def inc(self, count: int = 1) -> None:
        """So many more."""
        self.total += count

    def flush(self) -> None:
        """Give what was counted to the counter."""
        if self.total != self._flushed:
            self._series.inc(self.total - self._flushed)
            self._flushed = self.total


class WeightedHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: list[int], *, seconds: float) -> None:
        """`counts[i]` observations in bucket `i` (the last is for what is over every bound), `seconds` in sum."""
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(seconds)


class Times:
    """Gathers observations for one series of a `WeightedHistogram`."""

    def __init__(self, series: Any, bounds: tuple[float, ...]) -> None:
        self._series = series
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._flushed = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def note(self, seconds: float, count: int = 1) -> None:
        """`count` things took `seconds` each. Less than nothing, by clocks that differ, counts as nothing."""
        self._counts[bisect_left(self._bounds, seconds)] += count
        if seconds > 0:
            self._seconds += seconds * count

    def totals(self) -> list[int]:
        """How many were noted in this process for each bound, and beyond the last one."""
        return [flushed + count for flushed, count in zip(self._flushed, self._counts, strict=True)]

    def flush(self) -> None:
        """Give what was noted to the histogram."""
        if any(self._counts):
            self._series.add(self._counts, seconds=self._seconds)
            self._flushed = self.totals()
            self._counts = [0] * len(self._counts)
            self._seconds = 0.0
