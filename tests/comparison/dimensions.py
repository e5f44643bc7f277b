"""`python -m tests.comparison.dimensions`: how cost grows with streams, topics, sizes and gateways.

On a private RabbitMQ and Postgres, one thing varied at a time, everything else as it is. How it grows with the rows of
the log is `tests.comparison.growth`. Figures of CPU are of the service's processes alone.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import uvloop

from notify_sse.bench import run
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.html_report import drawn
from notify_sse.bench.report.results import Outcome, Plot, number
from notify_sse.bench.target import Launch, started_service
from notify_sse.config import variable
from tests.comparison.targets import STACK, private_servers

COUNTED: Final = {
    "memory_kb_each": "memory of a stream, KB",
    "connect_cpu_us_each": "CPU of a connect, µs",
    "server_cpu_percent": "CPU at rest, % of a core",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "server_cpu_us_each": "CPU of the service for a delivery, µs",
    "broker_cpu_us_each": "CPU of RabbitMQ for a delivery, µs",
    "database_cpu_us_each": "CPU of Postgres for a delivery, µs",
}
"""Which figures of a scenario are shown, and by what name."""


class Dimension(msgspec.Struct, frozen=True):
    """One thing that grows. `plan` and `env` make a run of its amount; `scenarios` and `figures` are looked at."""

    text: str
    amounts: tuple[int, ...]
    scenarios: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    """Pairs of scenario and figure."""
    plan: Callable[[Plan, int], Plan]
    env: Callable[[int], Mapping[str, str]] = lambda _: {}


def _with(field: str) -> Callable[[Plan, int], Plan]:
    return lambda plan, amount: msgspec.structs.replace(plan, **{field: amount})


IDLE: Final = (("idle", "memory_kb_each"), ("idle", "connect_cpu_us_each"), ("idle", "server_cpu_percent"))
STEADY: Final = (("steady", "p50_ms"), ("steady", "p95_ms"), ("steady", "server_cpu_us_each"))
BEHIND: Final = (("steady", "broker_cpu_us_each"), ("steady", "database_cpu_us_each"))
BROADCAST: Final = (("broadcast", "p95_ms"), ("broadcast", "server_cpu_us_each"))
DIMENSIONS: Final = {
    "streams": Dimension(
        "open streams", (1_000, 4_000, 9_000, 18_000), ("idle", "steady"), (*IDLE, *STEADY), _with("streams")
    ),
    "topics": Dimension(
        "topics that each stream names", (0, 1, 10, 50), ("idle", "steady"), (*IDLE, *STEADY), _with("topics")
    ),
    "readers": Dimension(
        "streams of one topic", (1_000, 4_000, 9_000, 18_000), ("broadcast",), BROADCAST, _with("streams")
    ),
    "size": Dimension(
        "bytes of text in a payload", (200, 1_000, 4_000, 15_000), ("steady",), (*STEADY, *BEHIND), _with("filler")
    ),
    "gateways": Dimension(
        "gateways on one log",
        (1, 2, 4, 6),
        ("steady",),
        (*STEADY, *BEHIND),
        lambda plan, _: plan,
        lambda amount: {variable("workers"): str(amount)},
    ),
}
FULL: Final = Plan(streams=5_000, rate=1_000, seconds=10, broadcasts=5)
SMOKE: Final = Plan(streams=20, rate=100, seconds=0.5, broadcasts=1, warm_up_s=0.2, rest_s=0.1)
"""What is held at one amount while something else grows."""


class Growth(msgspec.Struct, frozen=True):
    """What was measured of one dimension: the outcomes, by amount."""

    dimension: Dimension
    found: dict[int, list[Outcome]]

    def row(self, scenario: str, figure: str) -> list[float | None]:
        """One figure at each amount; None where it is lacking."""
        return [
            next((one.figures.get(figure) for one in outcomes if one.scenario == scenario), None)
            for outcomes in self.found.values()
        ]

    def table(self) -> Iterator[str]:
        """As it stands in the page."""
        amounts = list(self.found)
        yield f"| {self.dimension.text} | " + " | ".join(f"{amount:,}" for amount in amounts) + " |"
        yield "|---|" + "---:|" * len(amounts)
        for scenario, figure in self.dimension.figures:
            cells = ["" if value is None else number(value) for value in self.row(scenario, figure)]
            yield f"| {scenario}: {COUNTED[figure]} | " + " | ".join(cells) + " |"
        loads = [str(max(one.load_average for one in outcomes)) for outcomes in self.found.values()]
        yield "| load average | " + " | ".join(loads) + " |"
        problems = ["; ".join(text for one in outcomes for text in one.problems) for outcomes in self.found.values()]
        yield "| went wrong | " + " | ".join(text or "nothing" for text in problems) + " |"

    def plot(self) -> Plot:
        """Each figure as a multiple of its first: a line that stays at 1 does not grow."""
        lines = {}
        for scenario, figure in self.dimension.figures:
            values = self.row(scenario, figure)
            if first := next((value for value in values if value), None):
                pairs = zip(self.found, values, strict=True)
                lines[f"{scenario}: {COUNTED[figure]}"] = [
                    (float(amount), value / first) for amount, value in pairs if value is not None
                ]
        return Plot(f"Growth with {self.dimension.text}", self.dimension.text, "times the first", lines)


def measure(
    runner: asyncio.Runner,
    make: Callable[[Mapping[str, str]], Launch],
    dimension: Dimension,
    base: Plan,
    amounts: Sequence[int] = (),
) -> Growth:
    """Run the scenarios of that dimension at each amount, each on a service of its own."""
    found, progress = {}, Progress()
    for amount in amounts or dimension.amounts:
        progress.begin(f"{dimension.text}: {amount:,}")
        launch, plan = make(dimension.env(amount)), dimension.plan(base, amount)
        found[amount] = runner.run(run.measure(launch, dimension.scenarios, plan, progress))
    return Growth(dimension, found)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(DIMENSIONS)))
@click.option("--amount", "amounts", multiple=True, type=int, help="These in place of the dimension's own.")
@click.option("--smoke", is_flag=True, help="With next to nothing, for a test.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Draw them into that folder.")
def main(*, names: Sequence[str], amounts: Sequence[int], smoke: bool, plots: Path | None) -> None:
    """Measure how cost grows with NAMES, all of them when none is named."""
    run.end_in_order()
    with private_servers() as (broker, database, pids), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:

        def make(env: Mapping[str, str]) -> Launch:
            given: dict[str, Any] = {"broker_url": broker.url, "database_url": database.create_database()}
            return started_service(STACK, **given, pids=pids, env=env)

        for name in names or DIMENSIONS:
            growth = measure(runner, make, DIMENSIONS[name], SMOKE if smoke else FULL, amounts)
            click.echo("\n".join([*growth.table(), ""]))
            if plots:
                plots.mkdir(parents=True, exist_ok=True)
                (plots / f"{name}.svg").write_text(drawn(growth.plot()))


if __name__ == "__main__":
    main()
