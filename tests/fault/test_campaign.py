"""A short campaign. The long ones are `make fault`; their tables are in docs/explanation/guarantee.md."""

import msgspec
import pytest
import uvloop

from tests.fault.campaign import Goal, run
from tests.fault.report import table
from tests.fault.world import Plan

SLOW = frozenset(
    ("kill broker", "memory alarm", "failover freeze", "rolling restart", "stalled reader", "packet filter")
)


@pytest.mark.deadline(240)
def test_a_short_campaign_keeps_the_promise() -> None:
    """Half a minute of faults on three gateways: nothing lost, repeated, reordered, leaked or made up, all converge.
    And what the service tells of that afterwards, and told meanwhile, is what the clients have heard: that has to be
    asked before retention removes it.
    """
    plan = Plan(seed=7, clients=30, rate_per_s=60, heartbeat_s=1.0, retention_s=90.0, stay_s=8.0)
    plan = msgspec.structs.replace(plan, traces=60, ghosts=3)
    goal = Goal(minutes=0.5, mean_gap_s=0.7, at_most_s=150, fired=0)
    outcome = uvloop.run(run(plan, goal, without=SLOW))
    assert not outcome.violations, table(outcome)
    assert not outcome.other, table(outcome)
    assert sum(outcome.faults.values()) >= 8, table(outcome)
    assert outcome.accepted > 300, table(outcome)
    assert outcome.traces["answers at the end"] >= 20, table(outcome)
    assert outcome.traces["wrong"] == 0, table(outcome)
    for defence in ("duplicates not appended again", "holes found", "resumed with something missed"):
        assert outcome.defences[defence], table(outcome)


def test_a_campaign_goes_on_until_each_kind_struck_and_each_defence_fired() -> None:
    """A slow machine needs longer for the same: that is no failure of the service."""
    struck, defences = {"reset": 3, "hold": 1}, {"holes found": 1}

    def is_reached(
        goal: Goal, took_s: float = 60, accepted: int = 10, kinds: frozenset[str] = frozenset(struck)
    ) -> bool:
        return goal.is_reached(took_s=took_s, accepted=accepted, struck=struck, kinds=kinds, defences=lambda: defences)

    assert is_reached(Goal(minutes=1))
    assert not is_reached(Goal(minutes=1), took_s=59)
    assert not is_reached(Goal(minutes=1), kinds=frozenset(("reset", "hold", "delay")))
    assert is_reached(Goal(minutes=1, fired=0), kinds=frozenset(("reset", "hold", "delay")))
    assert not is_reached(Goal(minutes=1, fired=2))
    assert not is_reached(Goal(minutes=1, accepted=11))
    assert is_reached(Goal(minutes=1, faults=4))
    assert not is_reached(Goal(minutes=1, faults=5))
