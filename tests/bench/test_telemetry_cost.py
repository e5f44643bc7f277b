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
metrics.streams_opened["sse"].inc()
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
    """Each side beside the one before; what costs more than it may is marked."""
    found = {
        "off": {("steady", "p95_ms"): [2.0, 9.0, 1.0], ("steady", "sent_per_s"): [100.0]},
        "on": {("steady", "p95_ms"): [3.0, 2.5, 2.0], ("steady", "sent_per_s"): [96.0]},
        "traced": {("steady", "p95_ms"): [4.0], ("steady", "sent_per_s"): [90.0]},
    }
    assert table(found).splitlines() == [
        "| scenario | figure | off | on | ratio | more | traced | ratio | more |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        "| steady | p95_ms | 2.00 | 2.50 | 1.250 | +0.50 | 4.00 | 1.600 ! | +1.50 |",
        "| steady | sent_per_s | 100.00 | 96.00 | 0.960 | -4.00 | 90.00 | 0.938 ! | -6.00 |",
    ]


def test_small_costs_are_within_the_bounds() -> None:
    for name, within, beyond in (
        ("server_cpu_us_each", 105.0, 105.1),
        ("p95_ms", 101.0, 101.1),
        ("memory_kb_each", 100.3, 100.4),
        ("connects_per_s", 1.0, None),
    ):
        for value, marked in ((within, False), (beyond, True)):
            if value is not None:
                found = {"off": {("x", name): [100.0]}, "on": {("x", name): [value]}}
                assert ("!" in table(found)) == marked, (name, value)
