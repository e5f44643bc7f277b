"""kill -9 at some of the named points, once each. `python -m tests.fault crash --runs 20` does all of them, often."""

import pytest
import uvloop

from tests.fault.crash_points import NEVER_ANNOUNCED, run_once
from tests.fault.launch import SEEDED_BUG

HALF_DONE = (
    "within retention",
    "within the append (AMQP)",
    "committed, not announced (AMQP)",
    "after the own relay has it",
    "before the ack",
    "within a dead letter",
    "dead-lettered, not acked",
    "committed, not announced (HTTP)",
    "before the answer (HTTP)",
    "consumer stopped, in the drain",
    "after a stream's closing",
    "after a page of a replay",
    "after a write to a stream",
)
"""The points between two things that belong together; those around them are alike."""


@pytest.mark.deadline(420)
def test_a_kill_between_two_things_that_belong_together_loses_and_repeats_nothing() -> None:
    """At each point the process dies as it should; what was accepted is seen exactly once, what was refused is a dead
    letter, and what was committed without an announcement is there within 2 s although nothing follows it.
    """
    crashes = uvloop.run(run_once(seed=3, only=HALF_DONE))
    assert crashes.wrong == []
    assert sum(row.died for row in crashes.rows) == len(HALF_DONE) >= 12
    assert max(crashes.ledger.times[NEVER_ANNOUNCED].all, default=0.0) < 4.0  # 2 s, on a machine that is not ours alone


@pytest.mark.deadline(180)
def test_the_judge_finds_what_an_early_ack_loses() -> None:
    """With the ack before the commit, a kill between the two loses what was accepted: this harness says so."""
    crashes = uvloop.run(run_once(seed=4, only=[SEEDED_BUG] * 3))
    assert sum(row.died for row in crashes.rows) == 3
    assert any("lost" in line and "nowhere in the log" in line for line in crashes.wrong), crashes.wrong
