"""`python -m tests.comparison.telemetry`: what metrics, journal and INFO records cost, on against off, in one run.

Off is what no setting gives: metrics cannot be switched off, so a service without them is started with
`telemetry_off/` on its path. The two take turns, several rounds, and the median of each counts.
"""

import asyncio
import os
import statistics
from pathlib import Path
from typing import Final

import click
import uvloop

from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.scenarios.idle import idle
from notify_sse.bench.scenarios.load import Scenario, broadcast, steady
from notify_sse.bench.target import Launch, started_service

ON: Final = {"NOTIFY_SSE_JOURNAL": "true", "NOTIFY_SSE_LOG_LEVEL": "info", "NOTIFY_SSE_LOG_STREAMS": "info"}
OFF: Final = {
    "NOTIFY_SSE_JOURNAL": "false",
    "NOTIFY_SSE_LOG_LEVEL": "error",
    "NOTIFY_SSE_LOG_STREAMS": "debug",
    "PYTHONPATH": str(Path(__file__).with_name("telemetry_off")),
}
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
    """Medians, and what on costs more than off."""
    lines = ["| scenario | figure | off | on | ratio | more |", "|---|---|---:|---:|---:|---:|"]
    for scenario, name in found["off"]:
        off, on = (statistics.median(found[side][scenario, name]) for side in ("off", "on"))
        lines.append(f"| {scenario} | {name} | {off:,.2f} | {on:,.2f} | {on / off:.3f} | {on - off:+.2f} |")
    return "\n".join(lines)


@click.command()
@click.option("--streams", default=1000, show_default=True)
@click.option("--rate", default=500.0, show_default=True)
@click.option("--seconds", default=8.0, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--scenario", "scenarios", multiple=True, type=click.Choice([*FIGURES]), help="Only these.")
@click.option("--broker-url", help="RabbitMQ, in place of the broker inside the process.")
@click.option("--database-url", help="An empty Postgres database, in place of an SQLite file.")
def main(
    *,
    streams: int,
    rate: float,
    seconds: float,
    rounds: int,
    scenarios: tuple[str, ...],
    broker_url: str | None,
    database_url: str | None,
) -> None:
    """Print what telemetry costs, after each round anew."""
    plan = Plan(streams=streams, rate=rate, seconds=seconds, broadcasts=4, warm_up_s=1.0, settle_s=4.0)
    launches = {
        side: started_service(side, broker_url=broker_url or "memory://", database_url=database_url, env=env)
        for side, env in (("off", OFF), ("on", ON))
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(launches, plan, scenarios or tuple(FIGURES), rounds=rounds, progress=Progress(quiet=True)))


if __name__ == "__main__":
    main()
