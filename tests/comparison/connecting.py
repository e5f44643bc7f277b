"""`python -m tests.comparison.connecting`: what a connect costs, beside bare Hypercorn and another version.

The service is the embedded default, or on a RabbitMQ and a Postgres of its own. The bare server runs Hypercorn with an
app that sends a head and one event, checks no token, and waits. Each is one process, taken in turn, several rounds; the
median counts. Server and clients share the machine, so with two cores the clients are half of what a rate shows, and
the server's processor time is the firmer figure.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import click
import uvloop

from notify_sse.bench import run
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.publishers.publisher_process import PublishAddress
from notify_sse.bench.report.results import number
from notify_sse.bench.target import Launch, Target, free_port, process, started_service
from tests.comparison.bare_hypercorn import serve_app
from tests.comparison.targets import private_servers

OURS: Final = "notify-sse"
BEFORE: Final = "the other checkout"
BARE: Final = "bare Hypercorn"
FIGURES: Final = {
    "connects_per_s": "streams opened a second, the slowest step",
    "connects_per_s_last": "and the last step",
    "connect_cpu_us_each": "server's CPU for one, µs",
    "memory_kb_each": "memory of a stream, KB",
}


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Open an event stream to whoever asks, and hold it."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"event: connected\ndata: {}\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


def bare_hypercorn() -> Launch:
    """Hypercorn with `bare`, in a process of its own, on uvloop as the service is."""

    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tests.comparison.connecting", "--serve-bare", str(port)]
        async with process(command, {}) as pid:
            await _listening(port)
            publish_to = PublishAddress("http", host="127.0.0.1", port=port, path="/", batch=1)
            yield Target(BARE, url, publish_to, pids={"server": [pid]}, metrics=False)

    return launch


async def _listening(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def of_checkout(path: Path) -> Mapping[str, str]:
    """What makes Python take the package from there, and not from the working directory."""
    return {"PYTHONPATH": str(path.resolve()), "PYTHONSAFEPATH": "1"}


def rows(found: Mapping[str, list[dict[str, float | None]]]) -> Iterator[str]:
    """The medians, and ours beside each other."""
    others = [name for name in found if name != OURS]
    yield "| | " + " | ".join([OURS, *(f"{name} | ratio" for name in others)]) + " |"
    yield "|---|" + "---:|" * (1 + 2 * len(others))
    for figure, text in FIGURES.items():
        medians = {
            name: statistics.median(value for one in figures if (value := one.get(figure)) is not None)
            for name, figures in found.items()
        }
        cells = [number(medians[OURS])]
        for name in others:
            cells += [number(medians[name]), f"{medians[OURS] / medians[name]:.2f}"]
        yield f"| {text} | " + " | ".join(cells) + " |"


@click.command()
@click.option("--streams", default=5000, show_default=True, help="How many are opened.")
@click.option("--rounds", default=3, show_default=True, help="How often.")
@click.option("--stack", is_flag=True, help="The service on a private RabbitMQ and Postgres.")
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another checkout.")
@click.option("--serve-bare", type=int, hidden=True)
def main(*, streams: int, rounds: int, stack: bool, before: Path | None, serve_bare: int | None) -> None:
    """Measure connects of the service, of bare Hypercorn, and of another checkout."""
    if serve_bare:
        uvloop.run(serve_app(bare, serve_bare))
        return
    with ExitStack() as opened:
        start = _on_stack(opened) if stack else started_service
        launches = {OURS: start(OURS), BARE: bare_hypercorn()}
        if before:
            launches[BEFORE] = start(BEFORE, env=of_checkout(before))
        found = _measured(launches, Plan(streams=streams, seconds=1.0), rounds)
    click.echo("\n".join(rows(found)))


def _on_stack(opened: ExitStack) -> Callable[..., Launch]:
    """Starts a service on servers that end with `opened`, each with a database of its own."""
    broker, database, _ = opened.enter_context(private_servers())

    def start(name: str, *, env: Mapping[str, str] | None = None) -> Launch:
        return started_service(name, broker_url=broker.url, database_url=database.create_database(), env=env)

    return start


def _measured(launches: Mapping[str, Launch], plan: Plan, rounds: int) -> dict[str, list[dict[str, float | None]]]:
    """The figures of each round, by name. A stream that fails ends it: the figures would be of something else."""
    found: dict[str, list[dict[str, float | None]]] = {name: [] for name in launches}
    progress = Progress()
    run.end_in_order()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            for name, launch in launches.items():
                (outcome,) = runner.run(run.measure(launch, ["idle"], plan, progress))
                if outcome.problems:
                    raise click.ClickException(f"{name}: {'; '.join(outcome.problems)}")
                found[name].append(outcome.figures)
    return found


if __name__ == "__main__":
    main()
