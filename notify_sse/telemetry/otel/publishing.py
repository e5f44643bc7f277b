"""Spans of a publisher: of the application's own tracing, which it sets up. Needs the API only, not the extra.

Without an SDK no span is recorded, and the application's current context goes out as it is.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from notify_sse.core.model import TraceContext
from notify_sse.errors import NotifyError
from notify_sse.telemetry.otel.context import failed, trace_in
from notify_sse.version import __version__


class PublishSpans:
    """Makes them. `exchange` is the name of the exchange that is published to."""

    def __init__(self, *, exchange: str) -> None:
        self._exchange = exchange
        self._tracer = trace.get_tracer("notify_sse", __version__)  # of the SDK, as soon as there is one

    def publishing(self, count: int) -> AbstractContextManager[TraceContext | None]:
        """For the time in which `count` messages are published; gives what to send with them, None for nothing."""
        if not trace.get_current_span().get_span_context().is_valid and _has_no_sdk():
            return nullcontext()
        return self._span(count)

    @contextmanager
    def _span(self, count: int) -> Iterator[TraceContext | None]:
        attributes: dict[str, str | int] = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": self._exchange,
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": count,
        }
        with self._tracer.start_as_current_span(
            "publish",
            kind=SpanKind.PRODUCER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield trace_in(None)
            except NotifyError as exc:
                failed(span, exc.code)
                raise


def _has_no_sdk() -> bool:
    """The API is there, as it often is because some library wants it, and nobody records spans."""
    return isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
