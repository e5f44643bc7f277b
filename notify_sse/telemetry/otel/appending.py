"""Spans of the appender. `append`: for each trace in a batch, from when the appender got it until all is answered.
`commit` and `announce`: one for each batch, in the trace of the first of its notifications, with links to those of all.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer, set_span_in_context

from notify_sse.core.model import Notification, TraceContext
from notify_sse.errors import NotifyError
from notify_sse.telemetry.otel.context import context_of, failed


class AppendSpans:
    """Those of one appender, which commits one batch at a time: `begin`, then `commit` and `announce`, then `end`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._spans: dict[TraceContext, Span] = {}

    @property
    def under_way(self) -> bool:
        """Whether any trace of this batch is recorded: otherwise nothing is to be told of it."""
        return bool(self._spans)

    def begin(self, callers: Iterable[tuple[Sequence[Notification], int]]) -> None:
        """The next batch: what each caller appends, and since when it waits, in nanoseconds of Unix time. May be told
        again, as the batch is tried again.
        """
        for notifications, since_ns in callers:
            for one in notifications:
                if one.trace is not None and one.trace not in self._spans:
                    self._spans[one.trace] = self._tracer.start_span(
                        "append", context=context_of(one.trace), start_time=since_ns
                    )

    @contextmanager
    def commit(self, together: Sequence[Notification]) -> Iterator[None]:
        """For the time of one transaction."""
        with self._span_of_batch("commit", SpanKind.CLIENT, together):
            yield

    @contextmanager
    def announce(self, together: Sequence[Notification]) -> Iterator[None]:
        """For the time in which it is announced. The first streams of this process are written within it."""
        with self._span_of_batch("announce", SpanKind.PRODUCER, together):
            yield

    def answered(self, trace: TraceContext, outcome: str, cursor: str) -> None:
        """What became of one notification. Of several in one trace, the last one is told."""
        if span := self._spans.get(trace):
            span.set_attribute("notify_sse.outcome", outcome)
            span.set_attribute("notify_sse.cursor", cursor)

    def end(self) -> None:
        """All of the batch is answered."""
        for span in self._spans.values():
            span.end()
        self._spans.clear()

    @contextmanager
    def _span_of_batch(self, name: str, kind: SpanKind, together: Sequence[Notification]) -> Iterator[None]:
        traces = dict.fromkeys(one.trace for one in together if one.trace) if self._spans else {}
        appends = [self._spans[trace] for trace in traces if trace in self._spans]
        if not appends:
            yield
            return
        span = self._tracer.start_span(
            name,
            context=set_span_in_context(appends[0], Context()),
            kind=kind,
            attributes={"messaging.batch.message_count": len(together)},
            links=[Link(append.get_span_context()) for append in appends],
        )
        for append in appends[1:]:  # and from each trace to this one
            append.add_link(span.get_span_context())
        try:
            yield
        except NotifyError as exc:
            failed(span, exc.code)
            raise
        finally:
            span.end()
