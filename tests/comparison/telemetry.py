"""`python -m tests.comparison.telemetry`: what metrics, journal and INFO records cost, on against off, in one run; and
what traces cost beside them, of which 1 % are recorded.

Off is what no setting gives: metrics cannot be switched off, so a service without them is started with
`telemetry_off/` on its path. The sides take turns, several rounds, and the median of each counts. The table is ready
for docs/explanation/performance.md, whose figures are those of

    python -m tests.comparison.telemetry --stack --streams 10000 --rate 2000 --seconds 20 --rounds 5
"""

import asyncio
import os
import shutil
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
import uvloop

from notify_sse.bench import run as bench
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.scenarios.idle import idle
from notify_sse.bench.scenarios.load import Scenario, broadcast, steady
from notify_sse.bench.target import Launch, started_service
from tests.support.collector import collector
from tests.support.services import private_directory, start_postgres, start_rabbitmq

ON: Final = {"NOTIFY_SSE_JOURNAL": "true", "NOTIFY_SSE_LOG_LEVEL": "info", "NOTIFY_SSE_LOG_STREAMS": "info"}
OFF: Final = {
    "NOTIFY_SSE_JOURNAL": "false",
    "NOTIFY_SSE_LOG_LEVEL": "error",
    "NOTIFY_SSE_LOG_STREAMS": "debug",
    "PYTHONPATH": str(Path(__file__).with_name("telemetry_off")),
}
TRACED: Final = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
"""Beside ON. What the load tool publishes has no trace of its own, so it is the service that draws."""
BOUNDS: Final = {
    "server_cpu_us_each": (1.05, 0.0),
    "p95_ms": (0.0, 1.0),
    "memory_kb_each": (0.0, 0.3),
}
"""By how much a figure may be larger: so many times, or so much more."""
LEAST: Final = 0.95
"""So much of what was sent a second has to be sent still."""
FIGURES: Final[dict[str, tuple[Scenario, tuple[str, ...]]]] = {
    "steady": (steady, ("p95_ms", "server_cpu_us_each", "sent_per_s")),
    "broadcast": (broadcast, ("p95_ms", "server_cpu_us_each")),
    "idle": (idle, ("memory_kb_each", "connects_per_s", "server_cpu_percent")),
}
"""What is looked at of each scenario."""

Measured = dict[tuple[str, str], list[float]]


async def measure(
    launches: dict[str, Launch], plan: Plan, scenarios: tuple[str, ...], *, rounds: int, progress: Progress
) -> dict[str, Measured]:
    """The figures of each side, by scenario and name, one for each round."""
    found: dict[str, Measured] = {side: {} for side in launches}
    for place in range(rounds):
        # The first of a round finds the machine as the one before left it: they take turns in that, too.
        for side in [*launches][:: 1 if place % 2 == 0 else -1]:
            for scenario in scenarios:
                run, names = FIGURES[scenario]
                outcome = await run(launches[side], plan, progress)
                assert not outcome.problems, outcome.problems
                for name in names:
                    value = outcome.figures[name]
                    assert value is not None
                    found[side].setdefault((scenario, name), []).append(value)
        # Each at once: whatever ends the run must not cost what it has shown.
        click.echo(f"after round {place + 1}, load average {os.getloadavg()[0]:.1f}\n\n{table(found)}\n")
    return found


def table(found: dict[str, Measured]) -> str:
    """Medians, and what each side costs more than the one before it; `!` where that is more than it may be."""
    first, *others = found
    heads = [first, *(head for side in others for head in (side, "ratio", "more"))]
    lines = [f"| scenario | figure | {' | '.join(heads)} |", "|---|---|" + "---:|" * len(heads)]
    for scenario, name in found[first]:
        before = statistics.median(found[first][scenario, name])
        cells = [f"{before:,.2f}"]
        for side in others:
            value = statistics.median(found[side][scenario, name])
            mark = "" if _within(name, before, value) else " !"
            cells += [f"{value:,.2f}", f"{value / before:.3f}{mark}", f"{value - before:+.2f}"]
            before = value
        lines.append(f"| {scenario} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _within(name: str, before: float, value: float) -> bool:
    if name == "sent_per_s":
        return value >= LEAST * before
    if name not in BOUNDS:
        return True
    times, more = BOUNDS[name]
    return value <= before * times or value <= before + more


@click.command()
@click.option("--streams", default=1000, show_default=True)
@click.option("--rate", default=500.0, show_default=True)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--broadcasts", default=4, show_default=True, help="In each round.")
@click.option("--broadcasts-per-second", default=0.5, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--scenario", "scenarios", multiple=True, type=click.Choice([*FIGURES]), help="Only these.")
@click.option("--without-traces", is_flag=True, help="Only on against off.")
@click.option("--stack", is_flag=True, help="On a RabbitMQ and a Postgres that are started for it.")
@click.option("--broker-url", help="RabbitMQ, in place of the broker inside the process.")
@click.option("--database-url", help="An empty Postgres database, in place of an SQLite file.")
def main(
    *,
    streams: int,
    rate: float,
    seconds: float,
    broadcasts: int,
    broadcasts_per_second: float,
    rounds: int,
    scenarios: tuple[str, ...],
    without_traces: bool,
    stack: bool,
    broker_url: str | None,
    database_url: str | None,
) -> None:
    """Print what telemetry costs, after each round anew."""
    plan = Plan(
        streams=streams,
        rate=rate,
        seconds=seconds,
        broadcasts=broadcasts,
        broadcasts_per_s=broadcasts_per_second,
        warm_up_s=1.0,
        settle_s=4.0,
    )
    with ExitStack() as opened:
        if stack:
            broker_url, database_url = opened.enter_context(_servers())
        sides = {"off": OFF, "on": ON}
        if not without_traces:
            endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": opened.enter_context(collector()).url}
            sides["on, 1 % traced"] = ON | TRACED | endpoint
        launches = {
            side: started_service(side, broker_url=broker_url or "memory://", database_url=database_url, env=env)
            for side, env in sides.items()
        }
        box = bench.new_report().machine
        click.echo(
            f"{streams} streams, {rate:g} notifications a second for {seconds:g} s; {box.cores} cores of {box.cpu}"
        )
        runner = opened.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        runner.run(measure(launches, plan, scenarios or tuple(FIGURES), rounds=rounds, progress=Progress(quiet=True)))


@contextmanager
def _servers() -> Iterator[tuple[str, str]]:
    """The URLs of a broker and a database, which nobody else uses."""
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        database = start_postgres(directory)
        try:
            yield broker.url, database.url
        finally:
            database.stop()
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
