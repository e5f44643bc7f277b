"""The idle scenario: streams that get only heartbeats. What does each cost: memory, CPU to open, CPU at rest?"""

import asyncio
from typing import Final

import msgspec

from notify_sse.bench.controller import Controller
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.results import Outcome, Plot, slope
from notify_sse.bench.scenarios.load import FIRST_STREAMS, note_failures, prepared
from notify_sse.bench.target import Launch

STEPS: Final = 4
HEARTBEAT_S: Final = 15.0


class _Step(msgspec.Struct):
    """The server with this many streams open. `rest_percent` is of one core, by group of processes."""

    streams: float
    memory_kb: float
    opened_per_s: float
    opening_cpu_s: float
    rest_percent: dict[str, float]


async def idle(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Open the streams in steps. Each step rests for a heartbeat interval, the last one for the plan's seconds."""
    given = {"seconds": plan.seconds}
    async with prepared("idle", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        first = min(FIRST_STREAMS, plan.streams // 2)
        sizes = [first + (plan.streams - first) * step // STEPS for step in range(STEPS + 1)]
        short_s = min(HEARTBEAT_S, plan.seconds)
        steps = [await _step(controller, outcome, size, rest_s=short_s) for size in sizes[:-1]]
        steps.append(await _step(controller, outcome, sizes[-1], rest_s=plan.seconds))
        outcome.figures |= _figures(steps)
        outcome.plots += _plots(steps)
    return outcome


async def _step(controller: Controller, outcome: Outcome, size: int, *, rest_s: float) -> _Step:
    before = controller.meter.cpu_s()
    opened = await controller.open(size - controller.opened)
    note_failures(outcome, opened)
    opening_cpu_s = controller.meter.cpu_s().get("server", 0.0) - before.get("server", 0.0)
    await asyncio.sleep(controller.plan.rest_s)
    memory_kb = controller.meter.memory_bytes("server") / 1024
    before = controller.meter.cpu_s()
    await asyncio.sleep(rest_s)
    rest = {name: 100 * (after - before[name]) / rest_s for name, after in controller.meter.cpu_s().items()}
    return _Step(float(size), memory_kb, opened.per_s, opening_cpu_s, rest)


def _figures(steps: list[_Step]) -> dict[str, float | None]:
    last = steps[-1]
    return {
        "memory_kb_each": round(slope([(step.streams, step.memory_kb) for step in steps]), 1),
        "memory_mb_at_most": last.memory_kb / 1024,
        "connects_per_s": min(step.opened_per_s for step in steps[1:]),
        "connects_per_s_last": last.opened_per_s,
        "connect_cpu_us_each": round(1e6 * sum(step.opening_cpu_s for step in steps) / last.streams, 1),
        **{f"{group}_cpu_percent": round(percent, 1) for group, percent in last.rest_percent.items()},
    }


def _plots(steps: list[_Step]) -> list[Plot]:
    memory = [(step.streams, step.memory_kb / 1024) for step in steps]
    connects = [(step.streams, step.opened_per_s) for step in steps]
    rest = [(step.streams, step.rest_percent.get("server", 0.0)) for step in steps]
    return [
        Plot("Memory of the server", "streams", "MB", {"resident": memory}),
        Plot("Connects", "streams open after", "a second", {"connects": connects}),
        Plot("CPU at rest", "streams", "% of a core", {"server": rest}),
    ]
