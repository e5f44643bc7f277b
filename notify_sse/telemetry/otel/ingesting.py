"""Spans of ingest: one for each message whose trace is recorded, from when it came until its ack is sent."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace
from opentelemetry.trace import Span, SpanKind, Tracer, set_span_in_context

from notify_sse.core.model import Notification, Recall
from notify_sse.core.ports import Delivery
from notify_sse.errors import BadNotification
from notify_sse.telemetry.otel.context import context_of, failed, trace_in
from notify_sse.telemetry.otel.sampling import HeadSampler

Checked = tuple[Delivery, Notification | Recall]


class IngestSpans:
    """Makes them. `queue` is the name of the ingest queue, `system` that of the broker's kind."""

    def __init__(self, tracer: Tracer, *, system: str, queue: str, head: HeadSampler) -> None:
        self._leaves_out = head.leaves_out
        self._tracer = tracer
        self._attributes = {
            "messaging.system": system,
            "messaging.destination.name": queue,
            "messaging.operation.name": "ingest",
            "messaging.operation.type": "process",
        }

    @contextmanager
    def taken(self, deliveries: Sequence[Delivery], received_at: Sequence[float]) -> Iterator["TakenSpans"]:
        """For the time in which `deliveries` are taken; `received_at`: when each came, in monotonic seconds."""
        since_ns = time.time_ns() - time.monotonic_ns()
        spans: dict[int, Span] = {}
        for delivery, received_s in zip(deliveries, received_at, strict=True):
            if self._leaves_out(delivery.trace):
                continue
            span = self._tracer.start_span(
                "ingest",
                context=context_of(delivery.trace),
                kind=SpanKind.CONSUMER,
                attributes=self._attributes,
                start_time=since_ns + int(received_s * 1e9),
            )
            if span.is_recording():
                span.set_attribute("messaging.message.body.size", len(delivery.body))
                if delivery.redelivered:
                    span.set_attribute("notify_sse.redelivered", value=True)
                spans[id(delivery)] = span
        try:
            yield TakenSpans(spans)
        except BaseException:
            # Cancelled: the queue has them back, and each comes again.
            for span in spans.values():
                span.add_event("given back")
            raise
        finally:
            for span in spans.values():
                span.end()


class TakenSpans:
    """The spans of deliveries that are taken together, by the `id` of each."""

    def __init__(self, spans: dict[int, Span]) -> None:
        self._spans = spans

    def carried(self, checked: list[Checked]) -> list[Checked]:
        """`checked`, and each notification knows the span of its delivery."""
        if not self._spans:
            return checked
        spans = self._spans
        return [one if id(one[0]) not in spans else self._carried(*one, spans[id(one[0])]) for one in checked]

    def _carried(self, delivery: Delivery, message: Notification | Recall, span: Span) -> Checked:
        span.set_attribute("messaging.message.id", message.notification_id)
        if isinstance(message, Recall):
            span.set_attribute("notify_sse.recall", value=True)
            return delivery, message
        return delivery, replace(message, trace=trace_in(set_span_in_context(span)))

    def refused(self, bad: Sequence[tuple[Delivery, BadNotification]]) -> None:
        """These become dead letters."""
        for delivery, exc in bad:
            if span := self._spans.get(id(delivery)):
                failed(span, exc.reason)
