"""With this folder on PYTHONPATH, a service keeps no metrics: what no setting switches off, for a comparison.

Python imports a module of this name when it starts.
"""

from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from notify_sse.gateway.delivery_times import DeliveryTimes
from notify_sse.telemetry.gathered import Count, Times
from notify_sse.telemetry.metrics import Metrics


def _nothing(*_: Any, **__: Any) -> None:
    """In place of what counts."""


for kind, names in {
    Counter: ("inc",),
    Gauge: ("set", "inc", "dec"),
    Histogram: ("observe",),
    Count: ("inc", "flush"),
    Times: ("note", "flush"),
    DeliveryTimes: ("note", "settle"),
    Metrics: ("refresh", "count_appended"),
}.items():
    for name in names:
        setattr(kind, name, _nothing)
