"""The comparison of connects: the bare server holds streams, another checkout is another one, the table has ratios."""

import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from notify_sse.bench import run
from notify_sse.bench.plan import Plan, Progress
from tests.comparison.connecting import BARE, BEFORE, OURS, bare_hypercorn, of_checkout, rows


def test_bare_hypercorn_holds_the_streams() -> None:
    plan = Plan(streams=20, seconds=0.2, rest_s=0.1)
    (outcome,) = uvloop.run(run.measure(bare_hypercorn(), ["idle"], plan, Progress(quiet=True)))
    assert outcome.problems == []
    assert outcome.figures["connects_per_s"]


def test_another_checkout_is_taken_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from the working directory: the comparison would be of a version with itself."""
    package = tmp_path / "notify_sse"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("print('the other one')")
    for name, value in of_checkout(tmp_path).items():
        monkeypatch.setenv(name, value)
    printed = subprocess.run([sys.executable, "-m", "notify_sse"], capture_output=True, text=True, check=True)
    assert printed.stdout == "the other one\n"


def test_the_table_has_the_medians_and_their_ratios() -> None:
    def figures(per_s: float, cpu_us: float) -> dict[str, float | None]:
        return {
            "connects_per_s": per_s,
            "connects_per_s_last": per_s,
            "connect_cpu_us_each": cpu_us,
            "memory_kb_each": 4.0,
        }

    found = {
        OURS: [figures(2000, 300), figures(3000, 200), figures(2500, 900)],
        BARE: [figures(1250, 400)],
        BEFORE: [figures(1000, 600)],
    }
    assert list(rows(found)) == [
        "| | notify-sse | bare Hypercorn | ratio | the other checkout | ratio |",
        "|---|---:|---:|---:|---:|---:|",
        "| streams opened a second, the slowest step | 2,500 | 1,250 | 2.00 | 1,000 | 2.50 |",
        "| and the last step | 2,500 | 1,250 | 2.00 | 1,000 | 2.50 |",
        "| server's CPU for one, µs | 300 | 400 | 0.75 | 600 | 0.50 |",
        "| memory of a stream, KB | 4 | 4 | 1.00 | 4 | 1.00 |",
    ]
