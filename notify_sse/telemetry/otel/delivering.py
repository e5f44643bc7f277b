"""Spans of deliveries: one for each publish whose trace is recorded, in each process that writes it to a stream.

Never one for a stream: a broadcast to ten thousand streams is one span, which has their number. It begins when the
announcement is heard, and ends with the last write before all that were woken have been served. A stream that is read
from the log later (cold, or behind a slow client) is not counted.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.trace import SpanKind, Tracer

from notify_sse.core.frames import Frame
from notify_sse.core.model import TraceContext
from notify_sse.telemetry.otel.context import context_of

MAX_OPEN: Final = 4096
"""Notifications that are watched at a time. What is beyond is delivered, and not told."""
PATIENCE_S: Final = 5.0
"""How long a notification is watched for: its tail may have to be repaired first, or the loop never come to rest."""


class _Watched:
    """One trace of one announcement: the ids of its notifications, and how many times they were written by now."""

    __slots__ = ("deliveries", "first_ns", "ids", "last_ns", "since_ns", "trace")

    def __init__(self, trace: TraceContext, since_ns: int) -> None:
        self.trace = trace
        self.since_ns = since_ns
        self.ids: list[int] = []
        self.deliveries = 0
        self.first_ns = self.last_ns = 0


class DeliverySpans:
    """Watches what is written. `position` says how far the tail reaches."""

    def __init__(self, tracer: Tracer, *, position: Callable[[], int]) -> None:
        self._tracer = tracer
        self._position = position
        self._watched: dict[int, _Watched] = {}

    def heard(self, traces: Sequence[tuple[int, TraceContext]]) -> None:
        """An announcement names these ids of the log, each with its trace. Those in the tail already are told."""
        position, since_ns = self._position(), time.time_ns()
        here: dict[TraceContext, _Watched] = {}
        for place, trace in traces:
            if place > position and len(self._watched) < MAX_OPEN:
                watched = here.setdefault(trace, _Watched(trace, since_ns))
                watched.ids.append(place)
                self._watched[place] = watched

    def written(self, frames: Sequence[Frame]) -> None:
        """These were written just now, each to one stream."""
        if not self._watched:
            return
        now_ns = time.time_ns()
        for frame in frames:
            if watched := self._watched.get(frame.id):
                watched.deliveries += 1
                watched.first_ns = watched.first_ns or now_ns
                watched.last_ns = now_ns

    def settle(self, *, served: bool) -> None:
        """`served`: all that were woken have been served. So what the tail holds is written, as far as it can be."""
        if not self._watched:
            return
        position, late_ns = self._position() if served else 0, time.time_ns() - int(PATIENCE_S * 1e9)
        done = [place for place, one in self._watched.items() if place <= position or one.since_ns < late_ns]
        for watched in {id(one): one for one in map(self._watched.pop, done)}.values():
            self._tell(watched)

    def _tell(self, watched: _Watched) -> None:
        if not watched.deliveries:
            return  # nobody is connected here
        span = self._tracer.start_span(
            "deliver",
            context=context_of(watched.trace),
            kind=SpanKind.CONSUMER,
            attributes={
                "notify_sse.deliveries": watched.deliveries,
                "messaging.batch.message_count": len(watched.ids),
            },
            start_time=watched.since_ns,
        )
        span.add_event("first written", timestamp=watched.first_ns)
        span.end(watched.last_ns)
