"""How long notifications took until they were written: a few observations for a slice of the pump's work, weighted with
how many deliveries each stands for. A broadcast, or a large batch, costs no more than that.

Only what came while a stream was open counts: what it resumed waited for its client, and not for us.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from notify_sse.core.frames import Frame
from notify_sse.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.delivering import DeliverySpans

MAX_SAMPLES: Final = 8
"""Of the deliveries in one slice. Up to so many, each is observed by itself."""


class _Stamped(msgspec.Struct, gc=False):
    timestamp: datetime | None = None


_decode = msgspec.json.Decoder(_Stamped).decode


class DeliveryTimes:
    """`note` what is written, then `settle` the slice. `spans` hear of it too."""

    def __init__(self, metrics: Metrics, spans: "DeliverySpans | None" = None) -> None:
        self._spans = spans
        self._since_published = metrics.since_published
        self._since_committed = metrics.since_committed
        self._written: list[Frame] = []
        self._looked_into: tuple[int, float] = (0, 0.0)
        """The frame that was looked into last, by its id and the time of its commit: slice after slice of a broadcast
        has the same one. Not the frame itself, whose content may be recalled.
        """
        self._published_s = 0.0
        """When that one was published."""

    def note(self, frames: Sequence[Frame], *, opened_at: int) -> None:
        """`frames` were written to a stream that was opened when the log had reached the position `opened_at`."""
        if len(frames) == 1:
            if frames[0].id > opened_at:
                self._written.append(frames[0])
        else:
            self._written += [frame for frame in frames if frame.id > opened_at]

    def settle(self, *, served: bool = False) -> None:
        """All that was noted since the last time was written just now. `served`: nobody is left who was woken."""
        if self._written:
            written, self._written = self._written, []
            if self._spans:
                self._spans.written(written)
            self._observe(written)
        if self._spans:
            self._spans.settle(served=served)

    def _observe(self, written: Sequence[Frame]) -> None:
        now = time.time()
        total = len(written)
        samples = min(total, MAX_SAMPLES)
        for sample in range(samples):
            # Each sample stands for its neighbours, so that the counts are right.
            start, end = sample * total // samples, (sample + 1) * total // samples
            frame = written[(start + end) // 2]
            if frame.committed_s:
                self._since_committed.note(now - frame.committed_s, end - start)
            which = frame.id, frame.committed_s
            if which != self._looked_into:
                self._looked_into, self._published_s = which, _published_s(frame)
            if self._published_s:
                self._since_published.note(now - self._published_s, end - start)


def _published_s(frame: Frame) -> float:
    """Its `timestamp`, which the publisher made, or we did. 0 when it has none that Python knows (a leap second)."""
    with suppress(msgspec.DecodeError, ValueError, OverflowError):
        moment = _decode(frame.body).timestamp
        return moment.timestamp() if moment else 0.0
    return 0.0
