"""How much this process did since it began, out of its metrics: the figures of its beat in the journal.

The exposition is for Prometheus, and with several workers it is that of all of them. These are of one process, and few.
"""

from prometheus_client import Counter

from notify_sse.core.journal import Figures
from notify_sse.telemetry.metrics import Metrics


def figures_of(metrics: Metrics) -> Figures:
    """As of now. Costs a look at some thirty series, so it is asked for once a second."""
    return Figures(
        stored=metrics.appended["new"].total,
        written=_total(metrics.frames_sent),
        opened=sum(one.total for one in metrics.streams_opened.values()),
        closed=sum(one.total for one in metrics.streams_closed.values()),
        limited=_by_label(metrics.limited),
        resets=_by_label(metrics.resets),
        delivered=tuple(metrics.since_committed.totals()),
    )


def _by_label(counter: Counter) -> dict[str, int]:
    """The values of a counter with one label, or without any. Of this process alone, with several workers too."""
    return {
        next(iter(sample.labels.values()), ""): int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def _total(counter: Counter) -> int:
    return sum(_by_label(counter).values())
