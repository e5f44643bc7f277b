"""The limits of one process, made from its settings, and counted in one metric."""

from typing import Final

from notify_sse.config import Settings
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.door.arrivals import Arrivals
from notify_sse.web.limits.address import Proxies
from notify_sse.web.limits.budget import Budget
from notify_sse.web.limits.large_bodies import LargeBodies
from notify_sse.web.limits.rates import LIMITS, Rates

RESERVED_FILES: Final = 256
"""Files that connections leave to the rest: the database, the broker, the key server, the log, those being refused."""


BODY_BYTES: Final = 67_108_864
"""Of request bodies under way, in one process: eight of the largest batches. One principal has half of it."""
ANSWER_BYTES: Final = 67_108_864
"""Of answers under way: eight of the largest pages of the history. One recipient has a quarter of it, two pages."""


class Limits:
    """`files` is how many files the process may open; None: any number."""

    def __init__(self, settings: Settings, metrics: Metrics, *, files: int | None) -> None:
        for limit in LIMITS:  # a series that begins with its first event hides that event from `increase`
            metrics.limited.labels(limit)

        def count(limit: str) -> None:
            metrics.limited.labels(limit).inc()

        most = settings.max_connections
        if most is None:
            most = 0 if files is None else max(1, files - RESERVED_FILES)
        self.rates = Rates(settings, on_limited=count)
        self.proxies = Proxies(settings.trusted_proxies)
        self.arrivals = Arrivals(
            most=most, per_address=settings.max_connections_per_address, proxies=self.proxies, on_limited=count
        )
        self.bodies = Budget("body_bytes", most=BODY_BYTES, each=BODY_BYTES // 2, on_limited=count)
        self.large_bodies = LargeBodies()
        self.answers = Budget("answer_bytes", most=ANSWER_BYTES, each=ANSWER_BYTES // 4, on_limited=count)
        metrics.gauge("body_bytes", "Bytes of request bodies under way.", lambda: self.bodies.held_bytes)
        metrics.gauge("answer_bytes", "Bytes of answers under way.", lambda: self.answers.held_bytes)
        metrics.gauge("connections", "Sockets open now, whatever they are used for.", lambda: len(self.arrivals))
