"""`notify-sse bench --assert`: a run that passes or fails."""

import subprocess
import sys

import pytest

from notify_sse.bench.report.assertions import failures, parsed
from notify_sse.bench.report.results import Outcome

STEADY = Outcome("x", "steady", {}, {"p95_ms": 99.5, "lost": 0, "memory_kb": None})
HERD = Outcome("x", "herd", {}, {"p95_ms": 250.0, "lost": 0})


@pytest.mark.parametrize("text", ["p95<100", "p95_ms < 99.6", "steady.p95<=99.5", "lost=0", "lost==0", "p95>99"])
def test_what_holds_passes(text: str) -> None:
    assert failures([parsed(text)], [STEADY]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95<99.5", "steady has 99.5"),
        ("p95>=100", "steady has 99.5"),
        ("lost>0", "steady has 0"),
        ("memory_kb<100", "steady has nothing measured"),
        ("p96<100", "no scenario that was run has this figure"),
        ("herd.lost=0", "no scenario that was run has this figure"),
    ],
)
def test_what_does_not_hold_is_said(text: str, said: str) -> None:
    assert failures([parsed(text)], [STEADY]) == [f"{text}: {said}"]


def test_a_figure_is_judged_in_each_scenario_that_has_it() -> None:
    assert failures([parsed("p95<100")], [STEADY, HERD]) == ["p95<100: herd has 250"]
    assert failures([parsed("steady.p95<100"), parsed("lost=0")], [STEADY, HERD]) == []


def test_a_run_with_a_problem_fails_whatever_its_figures() -> None:
    broken = Outcome("x", "churn", {}, {"lost": 0}, problems=["3 repeated"])
    assert failures([parsed("lost=0")], [broken]) == ["churn: 3 repeated"]


@pytest.mark.parametrize("text", ["", "p95", "p95<", "p95<x", "<100", "p95<1.2.3", "p95!=3", "a.b.c<3"])
def test_anything_else_is_a_wrong_call(text: str) -> None:
    with pytest.raises(ValueError, match="is not a comparison"):
        parsed(text)


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    amounts = ["-n", "4", "-r", "50", "-s", "0.5", "--client-processes", "1"]
    command = [sys.executable, "-m", "notify_sse", "bench", "steady", "--bare", "--quiet", *amounts, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_ends_with_1_when_an_assertion_does_not_hold() -> None:
    """And still prints what it measured."""
    done = _bench("--assert", "lost=0", "--assert", "p95<0")
    assert done.returncode == 1
    assert "steady on" in done.stdout
    assert [line for line in done.stderr.splitlines() if "lost=0" in line] == []
    assert "notify-sse: p95<0: steady has " in done.stderr


def test_the_command_ends_with_0_when_all_hold() -> None:
    done = _bench("--assert", "lost=0", "--assert", "received=25")
    assert done.returncode == 0, done.stderr


def test_a_wrong_assertion_is_told_before_anything_runs() -> None:
    done = _bench("--assert", "p95 is good")
    assert done.returncode == 2
    assert "--assert" in done.stderr
