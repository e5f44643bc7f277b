"""kill -9 at each named point, once. `python -m tests.fault crash --runs 20` does the rest."""

import pytest
import uvloop

from tests.fault.crash_points import NEVER_ANNOUNCED, run_once
from tests.fault.launch import POINTS, SEEDED_BUG


@pytest.mark.deadline(420)
def test_a_kill_at_any_point_loses_and_repeats_nothing() -> None:
    """At each point the process dies as it should; what was accepted is seen exactly once, what was refused is a dead
    letter, and what was committed without an announcement is there within 2 s although nothing follows it.
    """
    crashes = uvloop.run(run_once(seed=3))
    assert crashes.wrong == []
    assert sum(row.died for row in crashes.rows) == len(POINTS) >= 12
    assert max(crashes.ledger.times[NEVER_ANNOUNCED].all, default=0.0) < 4.0  # 2 s, on a machine that is not ours alone


@pytest.mark.deadline(180)
def test_the_judge_finds_what_an_early_ack_loses() -> None:
    """With the ack before the commit, a kill between the two loses what was accepted: this harness says so."""
    crashes = uvloop.run(run_once(seed=4, only=[SEEDED_BUG] * 3))
    assert sum(row.died for row in crashes.rows) == 3
    assert any("lost" in line and "nowhere in the log" in line for line in crashes.wrong), crashes.wrong
