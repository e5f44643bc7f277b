"""The sampling of a trace, decided before a span is made for it: as the sampler decides."""

from collections.abc import Sequence
from typing import Any, cast

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Tracer

from notify_sse.core.model import TraceContext
from notify_sse.core.ports import Delivery
from notify_sse.telemetry.otel.ingesting import IngestSpans
from notify_sse.telemetry.otel.requests import RequestSpans
from notify_sse.telemetry.otel.sampling import HeadSampler, TraceIds
from tests.support.spans import Recorder, sent, traces_of

SHARE = 0.1
MANY = 2000


class Counting:
    """A tracer that counts the spans which are begun."""

    def __init__(self, recorder: Recorder) -> None:
        self.begun = 0
        self._tracer = recorder.tracer

    def start_span(self, *args: Any, **options: Any) -> Any:
        self.begun += 1
        return self._tracer.start_span(*args, **options)


def deliveries(traces: Sequence[TraceContext | None]) -> list[Delivery]:
    return [
        Delivery(body=b"", routing_key="", content_type="", message_id=None, redelivered=False, tag=1, trace=trace)
        for trace in traces
    ]


def test_of_what_is_not_recorded_no_span_is_begun() -> None:
    """Messages and requests: without a trace, the share that is asked for; the others, by their beginner's word."""
    recorder = Recorder(root=SHARE)
    tracer = Counting(recorder)
    spans = IngestSpans(cast("Tracer", tracer), system="rabbitmq", queue="q", head=recorder.head)
    requests = RequestSpans(cast("Tracer", tracer), head=recorder.head)
    with spans.taken(deliveries([None] * MANY), [0.0] * MANY):
        pass
    for _ in range(MANY):
        with requests.publishing({}) as span:
            span.answered(503, code="store_unavailable")
            assert len(span.carried([])) == 0
    recorded = recorder.spans("ingest") + recorder.spans("POST /notifications")
    assert tracer.begun == len(recorded)
    assert 0.5 < len(recorded) / (2 * MANY * SHARE) < 1.5
    bound = TraceIdRatioBased.get_bound_for_rate(SHARE)
    assert all(trace & TraceIdRatioBased.TRACE_ID_LIMIT < bound for trace in traces_of(recorded))
    assert len(set(traces_of(recorded))) == len(recorded), "each is a trace of its own"
    before = tracer.begun
    with spans.taken(deliveries([sent(1, sampled=False), sent(2)]), [0.0, 0.0]):
        pass
    for number in (3, 4):
        with requests.publishing({"traceparent": sent(number, sampled=number == 4).traceparent}):
            pass
    assert tracer.begun == before + 2
    assert {2, 4} <= set(traces_of(recorder.spans("ingest") + recorder.spans("POST /notifications")))


def test_a_drawn_id_is_taken_once_and_not_at_all_when_it_is_dropped() -> None:
    ids = TraceIds()
    drawn = ids.draw()
    assert ids.generate_trace_id() == drawn
    assert ids.generate_trace_id() != drawn
    drawn = ids.draw()
    ids.drop()
    assert ids.generate_trace_id() != drawn


def test_where_it_cannot_be_known_before_the_sampler_is_asked() -> None:
    """One that records all, one that does not follow, one of somebody else's, and ids of somebody else's."""

    class Foreign(Sampler):
        def should_sample(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

        def get_description(self) -> str:
            return ""

    ours, never = TraceIds(), TraceIdRatioBased(0.0)
    for sampler, ids, own, unsampled in (
        (ParentBased(never), ours, True, True),
        (ParentBased(ALWAYS_OFF), ours, True, True),
        (ParentBased(ALWAYS_ON), ours, False, True),
        (ParentBased(never), RandomIdGenerator(), False, True),
        (ParentBased(Foreign()), ours, False, True),
        (never, ours, True, False),
        (ALWAYS_ON, ours, False, False),
        (Foreign(), ours, False, False),
    ):
        head = HeadSampler(sampler, ids)
        assert (head.leaves_out(None), head.leaves_out(sent(1, sampled=False))) == (own, unsampled)
        assert not head.leaves_out(sent(1))
