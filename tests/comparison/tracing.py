"""`python -m tests.comparison.tracing`: what spans cost, off and on, in CPU time of the whole way of a notification.

One process, without sockets and without a database: frames of AMQP in, as RabbitMQ sends them, through ingest, the
appender, the relay and the pump, out to transports that swallow all. So it is the largest share that spans can have;
whatever a real process does beside that makes it smaller. The ways run by turns, each round in a process of its own.

`--before REVISION` measures the code of that revision too, which may know nothing of spans.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click

from tests.support.collector import collector

ROOT: Final = Path(__file__).parents[2]
SCENARIOS: Final = ("notifications", "broadcast")
WAYS: Final = {"off": None, "on, 1 %": 0.01, "on, 100 %": 1.0}
BEFORE: Final = "before"
STREAMS: Final = 10_000
WORKER: Final = Path(__file__).with_name("way_through.py")


@click.command()
@click.option("--before", "revision", help="A revision of git to compare with, such as the one without spans.")
@click.option("--rounds", default=5, show_default=True, help="Of each way.")
@click.option("--notifications", default=10_000, show_default=True, help="In each round.")
@click.option("--broadcasts", default=15, show_default=True, help=f"In each round, each to {STREAMS:,} streams.")
def main(*, revision: str | None, rounds: int, notifications: int, broadcasts: int) -> None:
    """Print the CPU time of each way, by the least of its rounds (what else the machine does only adds to it), and the
    ratio to `off`; then how far the ratios of single rounds lie apart.
    """
    counts = dict(zip(SCENARIOS, (notifications, broadcasts), strict=True))
    with ExitStack() as stack:
        places = dict.fromkeys(WAYS, ROOT)
        if revision:
            places[BEFORE] = stack.enter_context(_checkout(revision))
        taking = stack.enter_context(collector())
        for scenario, count in counts.items():
            seconds: dict[str, list[float]] = {way: [] for way in places}
            for number in range(rounds):
                for way in sorted(places, reverse=bool(number % 2)):
                    seconds[way].append(_round(scenario, count, way, place=places[way], endpoint=taking.url))
            _print(scenario, count, seconds)


def _print(scenario: str, count: int, seconds: Mapping[str, list[float]]) -> None:
    print(f"{scenario}: {count} a round")
    for way in (BEFORE, *WAYS):
        if way in seconds:
            ratios = [one / off for one, off in zip(seconds[way], seconds["off"], strict=True)]
            least, middle = min(seconds[way]), statistics.median(ratios)
            spread = f"round by round {middle:.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
            print(
                f"  {way:10} {least / count * 1e6:10.1f} µs each   {least / min(seconds['off']):.3f} of off ({spread})"
            )


def _round(scenario: str, count: int, way: str, *, place: Path, endpoint: str) -> float:
    """The CPU seconds of one round, in a process that has the code of `place`."""
    share = WAYS.get(way)
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    env |= {"PYTHONPATH": str(place)}
    if share is not None:
        env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    streams = STREAMS if scenario == "broadcast" else 0
    command = [sys.executable, str(WORKER), str(count), str(streams), str(share or 0.01)]
    ran = subprocess.run(command, env=env, check=True, capture_output=True, text=True, cwd=place)
    return float(ran.stdout)


@contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", directory], input=archive, check=True)
        yield Path(directory)


if __name__ == "__main__":
    main()
