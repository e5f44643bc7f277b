"""How much of everything: in full for the documentation, short for a look, smoke for a test."""

from typing import Final

import msgspec

from notify_sse.bench.plan import Plan
from tests.comparison.targets import BARE, BASELINE, NCHAN, PUSHPIN, STACK

AT_ONCE: Final = 2
"""Pushpin breaks connections when many come at a time."""


class Size(msgspec.Struct, frozen=True):
    """`idle` is what the scenario of that name needs of its own. `long_rest_s`: how long the service rests in it with
    all streams open; the others, which promise nothing, as long as their plan says.
    """

    load: Plan
    idle: Plan
    long_rest_s: float

    def plan(self, scenario: str, target: str) -> Plan:
        """What that scenario is run with on that target."""
        if target == PUSHPIN:
            return msgspec.structs.replace(self.idle if scenario == "idle" else self.load, at_once=AT_ONCE)
        if scenario != "idle":
            return self.load
        return msgspec.structs.replace(self.idle, seconds=self.long_rest_s) if target == STACK else self.idle


FULL_LOAD: Final = Plan(
    streams=10_000, rate=1000, seconds=20, burst=10_000, broadcasts=10, replay=100_000, churn_per_s=100
)
SHORT_LOAD: Final = Plan(streams=1000, rate=500, seconds=5, burst=2000, broadcasts=3, replay=10_000, ramp_step_s=4)
SMOKE_LOAD: Final = Plan(
    streams=20,
    rate=100,
    seconds=0.5,
    burst=40,
    broadcasts=1,
    replay=100,
    warm_up_s=0.2,
    ramp_from=100,
    ramp_step_s=0.5,
    ramp_steps=3,
    rest_s=0.1,
)
SIZES: Final = {
    "full": Size(FULL_LOAD, msgspec.structs.replace(FULL_LOAD, streams=15_000), long_rest_s=600),
    "short": Size(SHORT_LOAD, SHORT_LOAD, long_rest_s=15),
    "smoke": Size(SMOKE_LOAD, SMOKE_LOAD, long_rest_s=0.5),
}

WITHOUT: Final = {
    BASELINE: {"replay"},
    NCHAN: {"replay"},
    PUSHPIN: {"herd", "replay", "churn"},
    BARE: {"herd", "replay", "churn"},
}
"""What cannot be asked of a target: to bring back what was missed, where nothing is kept."""
