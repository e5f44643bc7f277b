"""The ramp: the highest rate that a target sustains, and how latency and CPU grow on the way there.

A rate is sustained when the step's p95 stays within the limit and everything arrived. Each step is half as fast again
as the last, until one is not sustained twice: once may be the machine's other work. Then the gap between the highest
sustained and the lowest failed rate is halved, until the two are close enough.
"""

import asyncio
from typing import Final

from notify_sse.bench.controller import Controller, Phase
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.results import Outcome, Plot, Points, latency_figures
from notify_sse.bench.scenarios.load import note_failures, phase_figures, prepared
from notify_sse.bench.target import Launch

GROWTH: Final = 1.5
CLOSE_ENOUGH: Final = 1.06


class _RateSearch:
    """Decides which rate to try next."""

    def __init__(self, first: float) -> None:
        self.sustained = 0.0
        self._failed = float("inf")
        self._tried_twice = 0.0
        self.next: float | None = first

    def tried(self, rate: float, *, sustained: bool) -> None:
        """The step at `rate` is over."""
        if sustained:
            self.sustained = max(self.sustained, rate)
        elif self._tried_twice != rate:
            self._tried_twice = self.next = rate
            return
        else:
            self._failed = min(self._failed, rate)
        if self._failed == float("inf"):
            self.next = rate * GROWTH
        elif self.sustained == 0:
            self.next = self._failed / 2 if self._failed > 1 else None
        elif self._failed / self.sustained > CLOSE_ENOUGH:
            self.next = (self.sustained + self._failed) / 2
        else:
            self.next = None


async def ramp(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Find, step by step, the highest rate that the target sustains."""
    given = {"limit_ms": plan.limit_ms, "step_s": plan.ramp_step_s}
    async with prepared("ramp", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        note_failures(outcome, await controller.open(plan.streams))
        await controller.phase(controller.pace(rate=min(500.0, plan.ramp_from), seconds=plan.warm_up_s))
        steps: dict[float, Phase] = {}
        search = _RateSearch(plan.ramp_from)
        for _ in range(plan.ramp_steps):
            if search.next is None:
                break
            rate = round(search.next)
            phase = steps[rate] = await controller.phase(controller.pace(rate=rate, seconds=plan.ramp_step_s))
            p95_ms = latency_figures(phase.delay_ns)["p95_ms"] or float("inf")
            good = p95_ms <= plan.limit_ms and len(phase.delay_ns) >= phase.expected
            progress.begin(f"  {rate:,} a second: p95 {p95_ms:,.1f} ms{'' if good else ', not sustained'}")
            search.tried(rate, sustained=good)
            await asyncio.sleep(plan.rest_s)
        outcome.figures["sustained_per_s"] = search.sustained
        if search.sustained:
            outcome.figures |= phase_figures(steps[search.sustained])
        outcome.figures |= await _flatness(controller, steps, search.sustained)
        outcome.plots += _plots(steps)
    return outcome


async def _flatness(controller: Controller, steps: dict[float, Phase], sustained: float) -> dict[str, float | None]:
    """p95 at 80 % of the highest rate: latency is to be flat up to there."""
    if not sustained:
        return {}
    rate = round(0.8 * sustained)
    phase = steps[rate] = await controller.phase(controller.pace(rate=rate, seconds=controller.plan.ramp_step_s))
    return {"p95_at_80_percent_ms": latency_figures(phase.delay_ns)["p95_ms"]}


def _plots(steps: dict[float, Phase]) -> list[Plot]:
    latency: dict[str, Points] = {"p50": [], "p95": [], "p99": []}
    cpu: dict[str, Points] = {}
    for rate, phase in sorted(steps.items()):
        figures = latency_figures(phase.delay_ns)
        for name, points in latency.items():
            if (value := figures[f"{name}_ms"]) is not None:
                points.append((rate, value))
        for group, used_s in phase.cpu_s.items():
            cpu.setdefault(group, []).append((rate, 100 * used_s / phase.seconds))
    return [
        Plot("Latency by rate", "notifications a second", "ms", latency, logarithmic=True),
        Plot("CPU by rate", "notifications a second", "% of a core", cpu),
    ]
