"""The scenarios that put load on a target: one function each, on fresh clients, and on a fresh server if we start it.

A scenario returns figures. It judges only what must never happen: a loss, a repeat, a disorder.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from notify_sse.bench.controller import Controller, Opened, Phase
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.meter import load_average
from notify_sse.bench.report.results import Outcome, latency_figures, over_time
from notify_sse.bench.target import Launch

FIRST_STREAMS: Final = 1000
"""Memory is counted from here on: what a server needs before its first stream is not the streams'."""
HERD_AT_ONCE: Final = 1000
POLL_S: Final = 0.2
Scenario = Callable[[Launch, Plan, Progress], Awaitable[Outcome]]


@asynccontextmanager
async def prepared(
    name: str,
    launch: Launch,
    plan: Plan,
    progress: Progress,
    *,
    streams: int,
    on_topic: bool = False,
    given: dict[str, Any],
) -> AsyncIterator[tuple[Controller, Outcome]]:
    """A target, a controller with its clients, and the outcome to fill in. Adds what went wrong at the end."""
    async with launch() as target:
        outcome = Outcome(target.name, name, {"streams": streams} | given)
        label = f"{name} on {target.name}"
        progress.begin(label)
        path = (on_topic and target.topic_path) or target.path
        async with Controller(target, plan, progress, streams=streams, label=label, path=path) as controller:
            yield controller, outcome
            anomalies = await controller.anomalies()
            outcome.figures |= anomalies
            outcome.problems += [f"{count} {what}" for what, count in anomalies.items() if count]
            if refused := await controller.refused():
                outcome.problems.append(f"{refused} publishes refused")
    outcome.load_average = load_average()


def note_failures(outcome: Outcome, opened: Opened) -> None:
    """Add the streams that did not open to the outcome's problems."""
    outcome.problems += [f"{count} streams did not open: {why}" for why, count in opened.failures.items()]


def phase_figures(phase: Phase) -> dict[str, float | None]:
    """The figures of a phase that publishes."""
    received = len(phase.delay_ns)
    late = latency_figures(phase.late_ns)["p99_ms"]
    figures: dict[str, float | None] = {
        "sent_per_s": phase.sent / phase.publish_s,
        "received": received,
        "expected": phase.expected,
        **latency_figures(phase.delay_ns),
        "confirm_p95_ms": latency_figures(phase.confirm_ns)["p95_ms"],
        "publisher_late_p99_ms": late,
    }
    for group, used_s in phase.cpu_s.items():
        figures[f"{group}_cpu_percent"] = round(100 * used_s / phase.seconds, 1)
        figures[f"{group}_cpu_us_each"] = round(1e6 * used_s / max(1, received), 1)
    return figures


async def steady(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Publish at an even rate, to one stream after another."""
    given = {"rate": plan.rate, "seconds": plan.seconds}
    async with prepared("steady", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        note_failures(outcome, await controller.open(plan.streams))
        await controller.phase(controller.pace(rate=plan.rate, seconds=plan.warm_up_s))
        phase = await controller.phase(controller.pace(rate=plan.rate, seconds=plan.seconds))
        outcome.figures |= phase_figures(phase)
        outcome.plots.append(over_time(phase.due_ns, phase.delay_ns, title="Latency, by second"))
    return outcome


async def broadcast(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Publish one notification to all streams, several times, with enough time between for all to receive it."""
    given = {"broadcasts": plan.broadcasts}
    preparation = prepared("broadcast", launch, plan, progress, streams=plan.streams, on_topic=True, given=given)
    async with preparation as (controller, outcome):
        topic = controller.target.topic
        note_failures(outcome, await controller.open(plan.streams))
        await controller.phase(controller.burst(1, topic=topic))
        rate = plan.broadcasts_per_s
        phase = await controller.phase(controller.pace(rate=rate, seconds=plan.broadcasts / rate, topic=topic))
        outcome.figures |= phase_figures(phase)
    return outcome


async def burst(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Publish many notifications at one moment, to one stream after another."""
    given = {"burst": plan.burst}
    async with prepared("burst", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        note_failures(outcome, await controller.open(plan.streams))
        await controller.phase(controller.pace(rate=100, seconds=plan.warm_up_s))
        phase = await controller.phase(controller.burst(plan.burst))
        outcome.figures |= phase_figures(phase)
        last_s = max(phase.delay_ns, default=0) / 1e9
        outcome.figures |= {"drained_s": last_s, "drained_per_s": len(phase.delay_ns) / last_s if last_s else None}
    return outcome


async def herd(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Cut every stream at one moment; all resume at once with their cursors, while publishing goes on."""
    rate = min(plan.rate, 200.0)
    given = {"rate": rate}
    async with prepared("herd", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        note_failures(outcome, await controller.open(plan.streams))
        await controller.phase(controller.pace(rate=rate, seconds=plan.warm_up_s))
        pages_before = await controller.target.metric("notify_sse_replay_pages_total")
        cut_ns: list[int] = []
        opened: list[Opened] = []

        async def drop_and_resume() -> None:
            cut_ns.append(await controller.drop())
            opened.append(await controller.resume(at_once=HERD_AT_ONCE))

        phase = await controller.phase(drop_and_resume(), controller.pace(rate=rate, seconds=plan.seconds))
        note_failures(outcome, opened[0])
        live_ns = max(opened[0].live_ns, default=0)
        arrived_ns = [due + delay for due, delay in zip(phase.due_ns, phase.delay_ns, strict=True) if due <= live_ns]
        outcome.figures |= {
            "all_live_s": (live_ns - cut_ns[0]) / 1e9,
            "caught_up_s": (max([live_ns, *arrived_ns]) - cut_ns[0]) / 1e9,
            "resumes_per_s": opened[0].per_s,
            **latency_figures(opened[0].took_ns, "resume_"),
            **phase_figures(phase),
        }
        if pages_before is not None:
            pages = await controller.target.metric("notify_sse_replay_pages_total")
            outcome.figures["log_queries"] = (pages or 0) - pages_before
    return outcome


async def replay(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Resume one client after a long absence: every event in between is for it."""
    async with prepared("replay", launch, plan, progress, streams=1, given={"events": plan.replay}) as (
        controller,
        outcome,
    ):
        note_failures(outcome, await controller.open(1))
        await controller.phase(controller.pace(rate=100, seconds=0.1))
        await controller.drop()
        before = await controller.target.metric("notify_sse_tail_position") or 0
        await controller.burst(plan.replay)
        await _wait_for_position(controller, before + plan.replay)
        opened: list[Opened] = []

        async def resume() -> None:
            opened.append(await controller.resume(at_once=1))

        phase = await controller.phase(resume(), backlog=plan.replay)
        note_failures(outcome, opened[0])
        arrived_ns = [due + delay for due, delay in zip(phase.due_ns, phase.delay_ns, strict=True)]
        took_s = (max(arrived_ns, default=0) - opened[0].started_ns) / 1e9
        outcome.figures |= {
            "replayed": len(arrived_ns),
            "replayed_s": took_s,
            "replayed_per_s": len(arrived_ns) / took_s if arrived_ns else None,
            "first_event_ms": (opened[0].live_ns[0] - opened[0].started_ns) / 1e6 if opened[0].live_ns else None,
            **{f"{group}_cpu_us_each": 1e6 * s / max(1, len(arrived_ns)) for group, s in phase.cpu_s.items()},
        }
    return outcome


async def _wait_for_position(controller: Controller, position: float) -> None:
    """Wait until the log reaches `position`: a broker confirms earlier than that."""
    while (await controller.target.metric("notify_sse_tail_position") or 0) < position:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(POLL_S)


async def _memory_beside_the_tail_kb(controller: Controller) -> float:
    """The server's, without the notifications that it keeps for all: those of minutes outweigh its streams."""
    tail_bytes = await controller.target.metric("notify_sse_tail_bytes") or 0
    return (controller.meter.memory_bytes("server") - tail_bytes) / 1024


async def churn(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Publish at an even rate, while streams drop and resume all the time. What does a stream's memory come to?"""
    given = {"rate": plan.rate, "seconds": plan.seconds, "churn_per_s": plan.churn_per_s}
    async with prepared("churn", launch, plan, progress, streams=plan.streams, given=given) as (controller, outcome):
        first = min(FIRST_STREAMS, plan.streams // 2)
        note_failures(outcome, await controller.open(first))
        without_kb = await _memory_beside_the_tail_kb(controller)
        note_failures(outcome, await controller.open(plan.streams - first))
        await controller.phase(controller.pace(rate=plan.rate, seconds=plan.warm_up_s))
        resumed: list[Opened] = []

        async def drop_and_resume_some() -> None:
            resumed.append(await controller.churn(per_s=plan.churn_per_s, seconds=plan.seconds))

        phase = await controller.phase(controller.pace(rate=plan.rate, seconds=plan.seconds), drop_and_resume_some())
        note_failures(outcome, resumed[0])
        grown_kb = await _memory_beside_the_tail_kb(controller) - without_kb
        outcome.figures["memory_kb_each"] = round(grown_kb / (plan.streams - first), 1)
        outcome.figures |= {"resumes": len(resumed[0].took_ns), **latency_figures(resumed[0].took_ns, "resume_")}
        outcome.figures |= phase_figures(phase)
        outcome.plots.append(over_time(phase.due_ns, phase.delay_ns, title="Latency, by second"))
    return outcome
