"""A place in a trace: as our own value, which other rooms carry, and as OpenTelemetry's."""

from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from notify_sse.core.model import TraceContext

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
_UNSAMPLED: Final = frozenset(("00", "02"))
"""The flags without the lowest bit; the other one that is defined says that the id is random."""
_FORMAT: Final = TraceContextTextMapPropagator()


def context_of(trace: TraceContext | None) -> Context:
    """Where a span under `trace` begins. Empty when that is None or makes no sense: then a trace of its own begins."""
    if trace is None:
        return Context()
    carrier = {TRACEPARENT: trace.traceparent}
    if trace.tracestate:
        carrier[TRACESTATE] = trace.tracestate
    return _FORMAT.extract(carrier, context=Context())


def is_unsampled(trace: TraceContext | None) -> bool:
    """Whether `trace` says, as version 00 of the format does, that whoever began it does not record it."""
    return trace is not None and trace.traceparent.startswith("00-") and trace.traceparent[-2:] in _UNSAMPLED


def trace_in(context: Context | None) -> TraceContext | None:
    """The place of the span in `context` (None: in the current one); None when there is no span in it."""
    carrier: dict[str, str] = {}
    _FORMAT.inject(carrier, context=context)
    if TRACEPARENT not in carrier:
        return None
    return TraceContext(carrier[TRACEPARENT], carrier.get(TRACESTATE, ""))


def failed(span: Span, code: str) -> None:
    """What `span` is about did not succeed. Only the error's `code`: its message may hold what was published."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))
