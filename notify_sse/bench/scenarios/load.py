"""What happens to a target: one function a scenario, each on a fresh set of clients, and a fresh service if it is ours.

Returns figures; judges nothing but what must never be: a loss, a repeat, a disorder.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from notify_sse.bench.clients.field import Field, Opened, Phase
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.meter import load_average
from notify_sse.bench.report.results import Outcome, latency_figures, over_time
from notify_sse.bench.target import Launch

HERD_AT_ONCE: Final = 1000
POLL_S: Final = 0.2
Scenario = Callable[[Launch, Plan, Progress], Awaitable[Outcome]]


@asynccontextmanager
async def scene(
    name: str,
    launch: Launch,
    plan: Plan,
    progress: Progress,
    *,
    streams: int,
    on_topic: bool = False,
    given: dict[str, Any],
) -> AsyncIterator[tuple[Field, Outcome]]:
    """A target, its clients, and the outcome to fill in; at the end, what went wrong is in it."""
    async with launch() as target:
        outcome = Outcome(target.name, name, {"streams": streams} | given)
        label = f"{name} on {target.name}"
        progress.step(label)
        path = (on_topic and target.topic_path) or target.path
        async with Field(target, plan, progress, streams=streams, label=label, path=path) as field:
            yield field, outcome
            wrongs = await field.wrongs()
            outcome.figures |= wrongs
            outcome.problems += [f"{count} {what}" for what, count in wrongs.items() if count]
            if refused := await field.refused():
                outcome.problems.append(f"{refused} publishes refused")
    outcome.load_average = load_average()


def note_failures(outcome: Outcome, opened: Opened) -> None:
    """Streams that did not open."""
    outcome.problems += [f"{count} streams did not open: {why}" for why, count in opened.failures.items()]


def phase_figures(phase: Phase) -> dict[str, float | None]:
    """What every phase that publishes tells."""
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
    """A notification for one stream after another, at an even rate."""
    given = {"rate": plan.rate, "seconds": plan.seconds}
    async with scene("steady", launch, plan, progress, streams=plan.streams, given=given) as (field, outcome):
        note_failures(outcome, await field.open(plan.streams))
        await field.phase(field.pace(rate=plan.rate, seconds=plan.warm_up_s))
        phase = await field.phase(field.pace(rate=plan.rate, seconds=plan.seconds))
        outcome.figures |= phase_figures(phase)
        outcome.plots.append(over_time(phase.due_ns, phase.delay_ns, title="Latency, by second"))
    return outcome


async def broadcast(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """One notification for all, again and again, with time between for all to have it."""
    given = {"broadcasts": plan.broadcasts}
    scenery = scene("broadcast", launch, plan, progress, streams=plan.streams, on_topic=True, given=given)
    async with scenery as (field, outcome):
        topic = field.target.topic
        note_failures(outcome, await field.open(plan.streams))
        await field.phase(field.burst(1, topic=topic))
        rate = 0.5
        phase = await field.phase(field.pace(rate=rate, seconds=plan.broadcasts / rate, topic=topic))
        outcome.figures |= phase_figures(phase)
    return outcome


async def burst(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Many notifications, one for each of many streams, all due at one moment."""
    given = {"burst": plan.burst}
    async with scene("burst", launch, plan, progress, streams=plan.streams, given=given) as (field, outcome):
        note_failures(outcome, await field.open(plan.streams))
        await field.phase(field.pace(rate=100, seconds=plan.warm_up_s))
        phase = await field.phase(field.burst(plan.burst))
        outcome.figures |= phase_figures(phase)
        last_s = max(phase.delay_ns, default=0) / 1e9
        outcome.figures |= {"drained_s": last_s, "drained_per_s": len(phase.delay_ns) / last_s if last_s else None}
    return outcome


async def herd(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Every stream is cut at one moment, and comes back at once with its cursor, while publishing goes on."""
    rate = min(plan.rate, 200.0)
    given = {"rate": rate}
    async with scene("herd", launch, plan, progress, streams=plan.streams, given=given) as (field, outcome):
        note_failures(outcome, await field.open(plan.streams))
        await field.phase(field.pace(rate=rate, seconds=plan.warm_up_s))
        pages_before = await field.target.metric("notify_sse_replay_pages_total")
        cut_ns: list[int] = []
        opened: list[Opened] = []

        async def stampede() -> None:
            cut_ns.append(await field.drop())
            opened.append(await field.resume(at_once=HERD_AT_ONCE))

        phase = await field.phase(stampede(), field.pace(rate=rate, seconds=plan.seconds))
        note_failures(outcome, opened[0])
        live_ns = max(opened[0].live_ns, default=0)
        came_ns = [due + delay for due, delay in zip(phase.due_ns, phase.delay_ns, strict=True) if due <= live_ns]
        outcome.figures |= {
            "all_live_s": (live_ns - cut_ns[0]) / 1e9,
            "caught_up_s": (max([live_ns, *came_ns]) - cut_ns[0]) / 1e9,
            "resumes_per_s": opened[0].per_s,
            **latency_figures(opened[0].took_ns, "resume_"),
            **phase_figures(phase),
        }
        if pages_before is not None:
            pages = await field.target.metric("notify_sse_replay_pages_total")
            outcome.figures["log_queries"] = (pages or 0) - pages_before
    return outcome


async def replay(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """One client comes back to a long stretch of the log that is all its own."""
    async with scene("replay", launch, plan, progress, streams=1, given={"events": plan.replay}) as (field, outcome):
        note_failures(outcome, await field.open(1))
        await field.phase(field.pace(rate=100, seconds=0.1))
        await field.drop()
        before = await field.target.metric("notify_sse_tail_position") or 0
        await field.burst(plan.replay)
        await _logged(field, before + plan.replay)
        opened: list[Opened] = []

        async def come_back() -> None:
            opened.append(await field.resume(at_once=1))

        phase = await field.phase(come_back(), owed=plan.replay)
        note_failures(outcome, opened[0])
        came_ns = [due + delay for due, delay in zip(phase.due_ns, phase.delay_ns, strict=True)]
        took_s = (max(came_ns, default=0) - opened[0].started_ns) / 1e9
        outcome.figures |= {
            "replayed": len(came_ns),
            "replayed_s": took_s,
            "replayed_per_s": len(came_ns) / took_s if came_ns else None,
            "first_event_ms": (opened[0].live_ns[0] - opened[0].started_ns) / 1e6 if opened[0].live_ns else None,
            **{f"{group}_cpu_us_each": 1e6 * s / max(1, len(came_ns)) for group, s in phase.cpu_s.items()},
        }
    return outcome


async def _logged(field: Field, position: float) -> None:
    """Wait until the log reaches that position: a broker's confirm comes before."""
    while (await field.target.metric("notify_sse_tail_position") or 0) < position:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(POLL_S)


async def churn(launch: Launch, plan: Plan, progress: Progress) -> Outcome:
    """Publishing at an even rate while streams drop and come back all the time."""
    given = {"rate": plan.rate, "seconds": plan.seconds, "churn_per_s": plan.churn_per_s}
    async with scene("churn", launch, plan, progress, streams=plan.streams, given=given) as (field, outcome):
        note_failures(outcome, await field.open(plan.streams))
        await field.phase(field.pace(rate=plan.rate, seconds=plan.warm_up_s))
        resumed: list[Opened] = []

        async def come_and_go() -> None:
            resumed.append(await field.churn(per_s=plan.churn_per_s, seconds=plan.seconds))

        phase = await field.phase(field.pace(rate=plan.rate, seconds=plan.seconds), come_and_go())
        note_failures(outcome, resumed[0])
        outcome.figures |= {"resumes": len(resumed[0].took_ns), **latency_figures(resumed[0].took_ns, "resume_")}
        outcome.figures |= phase_figures(phase)
        outcome.plots.append(over_time(phase.due_ns, phase.delay_ns, title="Latency, by second"))
    return outcome
