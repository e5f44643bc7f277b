"""Spans in memory, for tests of what makes them."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import format_span_id

from notify_sse.core.model import TraceContext
from notify_sse.telemetry.otel.sampling import HeadSampler, TraceIds

PARENT = "00f067aa0ba902b7"


def sent(number: int, *, sampled: bool = True) -> TraceContext:
    """What a publisher sends of its trace `number`."""
    return TraceContext(f"00-{number:032x}-{PARENT}-0{int(sampled)}")


class Recorder:
    """Gives a tracer, and shows the spans that have ended. Of traces that begin here the share `root` is recorded."""

    def __init__(self, *, root: float = 1.0) -> None:
        sampler, ids = ParentBased(TraceIdRatioBased(root)), TraceIds()
        provider = TracerProvider(sampler=sampler, id_generator=ids, shutdown_on_exit=False)
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")
        self.head = HeadSampler(sampler, ids)
        self.asks = HeadSampler(ALWAYS_ON, ids)
        """Knows nothing before: the sampler is asked each time."""

    def spans(self, name: str) -> list[ReadableSpan]:
        """Those of that name, as they ended."""
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def only(self, name: str) -> ReadableSpan:
        """The only span of that name."""
        (span,) = self.spans(name)
        return span

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self._exporter.get_finished_spans())


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return format_span_id(span.context.span_id)


def parent_of(span: ReadableSpan) -> str:
    """The id of the parent; "" when a trace begins with it."""
    return format_span_id(span.parent.span_id) if span.parent else ""


def traces_of(spans: Sequence[ReadableSpan]) -> list[int]:
    """The numbers of the traces that they belong to, as given to `sent`."""
    return [span.context.trace_id for span in spans if span.context]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def failed(span: ReadableSpan) -> bool:
    return span.status.status_code.name == "ERROR"
