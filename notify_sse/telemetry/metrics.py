"""The Prometheus metrics, in a registry of their own. Values only; nothing is decided by them.

With several workers, prometheus-client keeps the values in files that all of them read (its multiprocess mode, which
the supervisor switches on), so that whichever worker is scraped answers for all.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from notify_sse.core.ports import Stored
from notify_sse.telemetry import labels
from notify_sse.telemetry.gathered import Count, Times, WeightedHistogram
from notify_sse.telemetry.process_stats import WorkersCollector, announce_worker, collect_process
from notify_sse.version import __version__

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus-client's multiprocess mode; it is read when that is imported."""
END: Final = b"# EOF\n"
"""Of an exposition in OpenMetrics."""
Across = Literal["livesum", "livemin", "livemax"]
SHORT_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELIVERY_S: Final = (*SHORT_S, 30.0, 60.0, 300.0)
LIFE_S: Final = (0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0)


class Metrics:
    """Each metric is an attribute. docs/reference/metrics.md lists them all."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._directory = os.environ.get(MULTIPROCESS_DIRECTORY)
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self._gathered: list[Count | Times] = []
        self._answered: dict[tuple[str, int], Count] = {}
        self._epoch = ""
        if self._directory:
            announce_worker(self._directory)
        else:
            collect_process(self.registry)
        self._count_the_way_in()
        self._count_the_way_out()
        self._count_requests()

    def _count_the_way_in(self) -> None:
        counter = self._counter
        appended = counter(
            "appended",
            "Notifications given to the log, by outcome (new, duplicate, conflict).",
            outcome=labels.OUTCOMES,
        )
        self.appended = {outcome: self._count(appended.labels(outcome)) for outcome in labels.OUTCOMES}
        self.append_seconds = self._weighted("append_seconds", "Time of one append transaction.", SHORT_S)
        self.ingested = self._count(counter("ingested", "Messages taken from the ingest queue."))
        self.refused = counter(
            "refused", "Publishes refused, by way in and reason.", way=labels.WAYS, reason=labels.DEAD_LETTER_REASONS
        )
        self.dead_letters = counter(
            "dead_letters", "Messages moved to the dead letters, by reason.", reason=labels.DEAD_LETTER_REASONS
        )
        self.unsafe_numbers = counter(
            "unsafe_numbers", "Notifications with an integer that JavaScript cannot hold, by way in.", way=labels.WAYS
        )
        self.dead_letters_failed = counter(
            "dead_letters_failed", "Attempts to dead-letter a refused message that failed (it is tried again)."
        )
        self.announce_failed = counter("announce_failed", "Announcements that did not reach the broker.")
        self.expired = counter("expired", "Notifications removed by retention.")
        self.journal_lost = counter("journal_lost", "Entries of the journal that were not kept.")
        self.broker_connects = counter("broker_connects", "Connects to the broker, the first included.")
        self._queued = Gauge(
            "notify_sse_queue_messages",
            "Messages that are ready in a queue of the broker, as last seen while it was connected.",
            ["queue"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        for queue in labels.QUEUES:
            self._queued.labels(queue)

    def _count_the_way_out(self) -> None:
        counter = self._counter
        self.announcements_unreadable = counter("announcements_unreadable", "Announcements not understood.")
        self.foreign_epoch = counter(
            "foreign_epoch", "Announcements of another log: another service uses our exchanges and queues."
        )
        self.duplicates_dropped = self._count(
            counter("duplicates_dropped", "Announced events that the tail had already.")
        )
        self.holes_found = counter("holes_found", "Announcements that did not follow the tail.")
        self.holes_repaired = counter("holes_repaired", "Stretches of the log read to repair the tail.")
        self.revoked = counter("revoked", "Revocations that took effect here since the start.")
        opened = counter("streams_opened", "Streams opened, by transport.", transport=labels.TRANSPORTS)
        self.streams_opened = {one: self._count(opened.labels(one)) for one in labels.TRANSPORTS}
        closed = counter("streams_closed", "Streams ended, by reason.", reason=labels.CLOSE_REASONS)
        self.streams_closed = {one: self._count(closed.labels(one)) for one in labels.CLOSE_REASONS}
        self.streams_refused = counter(
            "streams_refused", "Streams refused for load, by limit.", limit=labels.REFUSED_FOR_LOAD
        )
        # Whoever limits knows their names, and makes a series of each.
        self.limited = counter(
            "limited", "Requests and connections refused, by the limit that they are over.", limit=()
        )
        self.resumes = counter(
            "resumes", "Clients that came with a cursor, by how they go on (warm, cold, reset).", how=labels.RESUMED
        )
        self.resets = counter("resets", "Resets told to clients, by reason.", reason=labels.RESET_REASONS)
        self.pages_read = counter("replay_pages", "Pages of the log read for cold streams and histories.")
        self.replay_seconds = self._histogram(
            "replay_seconds", "Time that a cold stream waited for one page of the log.", SHORT_S
        )
        self.frames_sent = counter("frames_sent", "Notifications written to streams.")
        self.stream_seconds = self._weighted("stream_seconds", "How long streams were open.", LIFE_S)
        self.connect_seconds = self._weighted(
            "connect_seconds", "Time from a request for a stream until it is open.", SHORT_S
        )
        delivery_seconds = WeightedHistogram(
            "notify_sse_delivery_seconds",
            "Time until a notification was written to a stream that was open already, for each such stream.",
            ["since"],
            buckets=DELIVERY_S,
            registry=self.registry,
        )
        self.since_published, self.since_committed = (
            self._times(delivery_seconds.labels(since), DELIVERY_S) for since in labels.SINCE
        )

    def _count_requests(self) -> None:
        self.tokens_refused = self._counter("token_refused", "Tokens refused, by reason.", reason=labels.TOKEN_REASONS)
        self.http_requests = Counter(
            "notify_sse_http_requests",
            "Requests answered, by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self._build = Gauge(
            "notify_sse_build_info",
            "1 for the version that runs and the epoch of its log.",
            ["version", "epoch"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._worker_streams = self._of_worker("worker_streams", "Streams open now, by worker.")
        self._loop_lag = self._of_worker(
            "event_loop_lag_seconds", "The longest that the event loop kept a timer waiting, in the last second."
        )

    def _counter(self, name: str, text: str, **known: Sequence[str]) -> Counter:
        """A counter with a label for each of `known`, which gives the values that it takes."""
        made = Counter(f"notify_sse_{name}", text, list(known), registry=self.registry)
        for values in product(*known.values()) if known else ():
            made.labels(*values)
        return made

    def _count(self, series: Counter) -> Count:
        count = Count(series)
        self._gathered.append(count)
        return count

    def _times(self, series: WeightedHistogram, bounds: tuple[float, ...]) -> Times:
        times = Times(series, bounds)
        self._gathered.append(times)
        return times

    def _weighted(self, name: str, text: str, bounds: tuple[float, ...]) -> Times:
        made = WeightedHistogram(f"notify_sse_{name}", text, buckets=bounds, registry=self.registry)
        return self._times(made, bounds)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"notify_sse_{name}", text, buckets=buckets, registry=self.registry)

    def _of_worker(self, name: str, text: str) -> Gauge:
        gauge = Gauge(f"notify_sse_{name}", text, ["worker"], registry=self.registry, multiprocess_mode="livesum")
        return gauge.labels(labels.worker())

    def gauge(self, name: str, text: str, value: Callable[[], float], *, across: Across = "livesum") -> None:
        """Expose `value()` as `notify_sse_<name>`; `across` says how the workers' values become one."""
        gauge = Gauge(f"notify_sse_{name}", text, registry=self.registry, multiprocess_mode=across)
        self._gauges.append((gauge, value))

    def gauges(
        self, name: str, text: str, label: str, values: Mapping[str, Callable[[], float]], *, across: Across
    ) -> None:
        """As `gauge`, with a value for each value of `label`."""
        gauge = Gauge(f"notify_sse_{name}", text, [label], registry=self.registry, multiprocess_mode=across)
        self._gauges += [(gauge.labels(one), value) for one, value in values.items()]

    def worker_streams(self, value: Callable[[], float]) -> None:
        """`value()` is how many streams this worker has."""
        self._gauges.append((self._worker_streams, value))

    def loop_lag(self, value: Callable[[], float]) -> None:
        """`value()` is the lag of this worker's event loop in seconds."""
        self._gauges.append((self._loop_lag, value))

    def queued(self, *, ingest: int, dead: int) -> None:
        """So many messages are ready in the broker's queues now."""
        self._queued.labels("ingest").set(ingest)
        self._queued.labels("dead").set(dead)

    def log_is(self, epoch: str) -> None:
        """The log that this process follows is that of `epoch`. One that was followed before stays, with 0."""
        if epoch != self._epoch:
            if self._epoch:
                self._build.labels(__version__, self._epoch).set(0)
            self._build.labels(__version__, epoch).set(1)
            self._epoch = epoch

    def answers(self, route: str, statuses: Iterable[str]) -> None:
        """Requests to `route` may be answered with `statuses`: each has its series from now on."""
        for status in statuses:
            self.http_requests.labels(route, status)

    def answered(self, route: str, status: int) -> None:
        """A request to `route` was answered with `status`."""
        count = self._answered.get((route, status))
        if count is None:
            count = self._answered[route, status] = self._count(self.http_requests.labels(route, str(status)))
        count.inc()

    def refresh(self) -> None:
        """Take the gauges' values now. Every worker does so once a second, since only one of them is scraped."""
        for gauge, value in self._gauges:
            gauge.set(value())
        self.flush()

    def flush(self) -> None:
        """Give Prometheus what was gathered. Also when a worker ends: the others tell on what it did."""
        for gathered in self._gathered:
            gathered.flush()

    def count_appended(self, stored: Iterable[Stored]) -> None:
        """Count the outcomes of one batch."""
        for one in stored:
            self.appended[one.outcome].inc()

    def render(self, accept: str) -> tuple[Iterator[bytes], str]:
        """The exposition, a metric at a time, and its content type: OpenMetrics when `accept` asks for it, else
        Prometheus text. All together are ten milliseconds.
        """
        self.refresh()
        registry = self.registry
        if self._directory:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(WorkersCollector(self._directory))
        if "application/openmetrics-text" in accept:
            return _in_open_metrics(registry), CONTENT_TYPE_LATEST
        return map(generate_latest, _one_by_one(registry)), "text/plain; version=0.0.4; charset=utf-8"


def _in_open_metrics(registry: CollectorRegistry) -> Iterator[bytes]:
    for one in _one_by_one(registry):
        exposition: bytes = generate_openmetrics(one)  # type: ignore[no-untyped-call]
        yield exposition.removesuffix(END)
    yield END


def _one_by_one(registry: CollectorRegistry) -> Iterator["_One"]:
    return map(_One, registry.collect())


class _One(Collector):
    """A registry of one metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric
