"""The small forms of the scenarios; `python -m tests.fault NAME` runs them in full, with their figures."""

import pytest
import uvloop

from tests.fault.finding import Finding
from tests.fault.scenarios import half_open, reconnect, replay, stalled, workers


def _timeless(finding: Finding) -> list[str]:
    """What was wrong, but for figures that a shared machine cannot keep."""
    return [line for line in finding.wrong if "p99 went" not in line and "it took over" not in line]


@pytest.mark.deadline(120)
def test_a_crowd_that_reconnects_is_served_from_the_tail() -> None:
    """One of two gateways is killed: every stream is back with what it missed; the log is not asked, all get 200."""
    assert _timeless(uvloop.run(reconnect.run(streams=400, notifications=200))) == []


@pytest.mark.deadline(120)
def test_a_worker_that_dies_cuts_no_other_stream() -> None:
    """Under the supervisor, one worker's death is its own streams' reconnect."""
    assert _timeless(uvloop.run(workers.run(streams=60, kills=1))) == []


@pytest.mark.deadline(120)
def test_half_open_peers_are_let_go_and_miss_nothing() -> None:
    """Packets vanish both ways: the gateway lets go within its limit, neighbours are not met."""
    assert _timeless(uvloop.run(half_open.run(clients=15))) == []


@pytest.mark.deadline(180)
def test_readers_that_stall_miss_nothing_and_cost_no_memory() -> None:
    """Those that go on in time, and those that are cut off and come back, have received all exactly once."""
    assert _timeless(uvloop.run(stalled.run(stalled=40, flood=50, phase_s=2.0))) == []


@pytest.mark.deadline(120)
def test_a_long_replay_is_whole_and_cheap() -> None:
    """Every event once and in order, in bounded memory, while others are live."""
    assert _timeless(uvloop.run(replay.run(events=10_000, clients=4))) == []
