"""The Prometheus metrics, in a registry of their own. Values only; nothing is decided by them.

With several workers, prometheus-client keeps the values in files that all of them read (its multiprocess mode, which
the supervisor switches on), so that whichever worker is scraped answers for all.
"""

import os
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from notify_sse.core.ports import Stored
from notify_sse.errors import TokenRefused

MULTIPROCESS_DIRECTORY: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of prometheus-client's multiprocess mode; it is read when that is imported."""
Across = Literal["livesum", "livemin", "livemax"]
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Each metric is an attribute. docs/reference/metrics.md lists them all."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []

        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"notify_sse_{name}", text, labels, registry=self.registry)

        self._appended = counter(
            "appended", "Notifications given to the log, by outcome (new, duplicate, conflict).", ["outcome"]
        )
        self.append_seconds = Histogram(
            "notify_sse_append_seconds",
            "Time of one append transaction.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.ingested = counter("ingested", "Messages taken from the ingest queue.")
        self.refused = counter("refused", "Publishes refused, by way in and reason.", ["way", "reason"])
        self.dead_letters_failed = counter(
            "dead_letters_failed", "Attempts to dead-letter a refused message that failed (it is tried again)."
        )
        self.announce_failed = counter("announce_failed", "Announcements that did not reach the broker.")
        self.announcements_unreadable = counter("announcements_unreadable", "Announcements not understood.")
        self.foreign_epoch = counter(
            "foreign_epoch", "Announcements of another log: another service uses our exchanges and queues."
        )
        self.duplicates_dropped = counter("duplicates_dropped", "Announced events that the tail had already.")
        self.holes_found = counter("holes_found", "Announcements that did not follow the tail.")
        self.holes_repaired = counter("holes_repaired", "Stretches of the log read to repair the tail.")
        self.tokens_refused = counter("token_refused", "Tokens refused, by reason.", ["reason"])
        for (
            reason
        ) in TokenRefused.REASONS:  # a series that begins with its first event hides that event from `increase`
            self.tokens_refused.labels(reason)
        self.streams_opened = counter("streams_opened", "Streams opened, by transport.", ["transport"])
        self.streams_closed = counter("streams_closed", "Streams ended, by reason.", ["reason"])
        self.streams_refused = counter("streams_refused", "Streams refused for load, by limit.", ["limit"])
        self.limited = counter(
            "limited", "Requests and connections refused, by the limit that they are over.", ["limit"]
        )
        self.resets = counter("resets", "Resets told to clients, by reason.", ["reason"])
        self.pages_read = counter("replay_pages", "Pages of the log read for cold streams and histories.")
        self.frames_sent = counter("frames_sent", "Notifications written to streams.")
        self.expired = counter("expired", "Notifications removed by retention.")
        self.broker_connects = counter("broker_connects", "Connects to the broker, the first included.")

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

    def refresh(self) -> None:
        """Take the gauges' values now. Every worker does so once a second, since only one of them is scraped."""
        for gauge, value in self._gauges:
            gauge.set(value())

    def count_appended(self, stored: Iterable[Stored]) -> None:
        """Count the outcomes of one batch."""
        for outcome, count in Tally(one.outcome for one in stored).items():
            self._appended.labels(outcome).inc(count)

    def render(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type: OpenMetrics when `accept` asks for it, else Prometheus text."""
        self.refresh()
        registry = self.registry
        if MULTIPROCESS_DIRECTORY in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        if "application/openmetrics-text" in accept:
            exposition: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
            return exposition, CONTENT_TYPE_LATEST
        return generate_latest(registry), "text/plain; version=0.0.4; charset=utf-8"
