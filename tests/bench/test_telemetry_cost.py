"""The comparison of telemetry on and off: off is off, and the table has the ratio."""

import os
import subprocess
import sys

from tests.comparison.telemetry import OFF, table

COUNTED = """
from notify_sse.core.ports import Stored
from notify_sse.telemetry.figures import figures_of
from notify_sse.telemetry.metrics import Metrics
metrics = Metrics()
metrics.frames_sent.inc(3)
metrics.streams_opened.labels("sse").inc()
metrics.since_committed.note(0.1)
metrics.count_appended([Stored("new", 1)])
metrics.refresh()
found = figures_of(metrics)
print(found.written, found.opened, sum(found.delivered), found.stored)
"""


def counted(**env: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", COUNTED], env={**os.environ, **env}, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_service_without_telemetry_counts_nothing() -> None:
    """Or the comparison would be of a thing with itself."""
    assert counted() == "3 1 1 1"
    assert counted(PYTHONPATH=OFF["PYTHONPATH"]) == "0 0 0 0"


def test_the_table_has_the_medians_and_their_ratio() -> None:
    found = {"off": {("steady", "p95_ms"): [2.0, 9.0, 1.0]}, "on": {("steady", "p95_ms"): [3.0, 2.5, 2.0]}}
    assert table(found).splitlines()[-1] == "| steady | p95_ms | 2.00 | 2.50 | 1.250 | +0.50 |"
