"""Spans of HTTP: `POST /notifications`, once it is known that the token may publish: nobody else makes spans here."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus

from msgspec.structs import replace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Tracer, set_span_in_context

from notify_sse.core.model import Notification, TraceContext
from notify_sse.telemetry.otel.context import TRACEPARENT, TRACESTATE, context_of, failed, trace_in
from notify_sse.telemetry.otel.sampling import HeadSampler


class RequestSpans:
    """Makes them."""

    def __init__(self, tracer: Tracer, *, head: HeadSampler) -> None:
        self._leaves_out = head.leaves_out
        self._tracer = tracer

    @contextmanager
    def publishing(self, headers: Mapping[str, str]) -> Iterator["RequestSpan"]:
        """For the time in which a request with these headers is answered."""
        trace = TraceContext.of(headers.get(TRACEPARENT), headers.get(TRACESTATE))
        if self._leaves_out(trace):
            yield RequestSpan(INVALID_SPAN)
            return
        span = self._tracer.start_span(
            "POST /notifications",
            context=context_of(trace),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": "POST", "http.route": "/notifications"},
            start_time=time.time_ns(),
        )
        try:
            yield RequestSpan(span)
        finally:
            span.end()


class RequestSpan:
    """The span of one request."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def carried(self, notifications: list[Notification]) -> list[Notification]:
        """`notifications`, which know that span, if it is recorded."""
        if not self._span.is_recording():
            return notifications
        self._span.set_attribute("messaging.batch.message_count", len(notifications))
        if len(notifications) == 1:
            self._span.set_attribute("messaging.message.id", notifications[0].notification_id)
        trace = trace_in(set_span_in_context(self._span))
        return [replace(one, trace=trace) for one in notifications]

    def answered(self, status: int, *, code: str = "") -> None:
        """With which HTTP status; `code` is that of the error. Only a fault of ours makes it a failed span."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            failed(self._span, code)
        elif code:
            self._span.set_attribute("error.type", code)
