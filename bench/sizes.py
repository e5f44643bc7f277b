"""How much of everything: in full for the documentation, short for a look, smoke for a test."""

from collections.abc import Mapping
from typing import Final

import msgspec

from bench.targets import BARE, BASELINE, NCHAN
from notify_sse.bench.plan import Plan


class Size(msgspec.Struct, frozen=True):
    """`plans` by scenario; `load` is for those that have none of their own."""

    load: Plan
    plans: Mapping[str, Plan]

    def plan(self, scenario: str) -> Plan:
        """What that scenario is run with."""
        return self.plans.get(scenario, self.load)


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
    "full": Size(FULL_LOAD, {"idle": msgspec.structs.replace(FULL_LOAD, streams=15_000, seconds=60)}),
    "short": Size(SHORT_LOAD, {}),
    "smoke": Size(SMOKE_LOAD, {}),
}

WITHOUT: Final = {BASELINE: {"replay"}, NCHAN: {"replay"}, BARE: {"herd", "replay", "churn"}}
"""What cannot be asked of a target: to bring back what was missed, where nothing is kept."""
