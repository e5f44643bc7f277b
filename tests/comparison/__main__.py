"""`python -m tests.comparison`: every scenario on every target, one after another, side by side in one run."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import httpx
import msgspec
import uvloop
from aio_pika.exceptions import AMQPError

from notify_sse.bench import run
from notify_sse.bench.plan import Progress
from notify_sse.bench.report import html_report
from notify_sse.bench.report.results import Outcome, Report, table
from notify_sse.bench.target import Launch
from notify_sse.errors import NotifyError
from tests.comparison import document
from tests.comparison.sizes import SIZES, WITHOUT, Size
from tests.comparison.targets import (
    BARE,
    BASELINE,
    EMBEDDED,
    NCHAN,
    PACKAGES,
    PUSHPIN,
    STACK,
    installed,
    launches,
    private_servers,
)

TARGETS = (STACK, EMBEDDED, BASELINE, NCHAN, PUSHPIN, BARE)
PAGE = Path("docs/explanation/performance.md")


@click.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="full", show_default=True, help="With how much.")
@click.option("--scenario", "scenarios", multiple=True, type=click.Choice(list(run.SCENARIOS)), help="Only these.")
@click.option("--target", "targets", multiple=True, type=click.Choice(TARGETS), help="Only these.")
@click.option(
    "--page", "to", type=click.Path(path_type=Path), default=PAGE, show_default=True, help="Document to write."
)
@click.option("--no-page", is_flag=True, help="Write no document.")
@click.option(
    "--json",
    "json_to",
    type=click.Path(path_type=Path),
    help="Keep all figures there: what it has of an earlier run stays, where this run does not measure it again.",
)
@click.option("--html", "html_to", type=click.Path(path_type=Path), help="Write a report with plots there.")
def main(
    *,
    size: str,
    scenarios: Sequence[str],
    targets: Sequence[str],
    to: Path,
    no_page: bool,
    json_to: Path | None,
    html_to: Path | None,
) -> None:
    """Measure the service on RabbitMQ with Postgres and on the embedded default, beside four others."""
    progress = Progress()
    for name, packages in PACKAGES.items():
        if name in (targets or TARGETS) and not installed(name):
            progress.begin(f"{name} is left out: on Debian, apt-get install {packages}")
    report = _kept(json_to) or run.new_report()
    run.end_in_order()
    with private_servers() as (broker, database, pids):
        found = launches(broker, database, pids)
        chosen = {name: launch for name, launch in found.items() if name in (targets or TARGETS)}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for outcome in _outcomes(runner, chosen, scenarios or list(run.SCENARIOS), SIZES[size], progress):
                report.add(outcome)
                # Each at once: a run takes an hour, and whatever ends it must not cost what it has shown.
                if json_to:
                    json_to.write_bytes(msgspec.json.encode(report))
                if not no_page:
                    document.write(to, report, size=size)
                if html_to:
                    html_to.write_text(html_report.rendered(report))
    click.echo(table(report))


def _kept(json_from: Path | None) -> Report | None:
    if json_from is None or not json_from.exists():
        return None
    return msgspec.json.decode(json_from.read_bytes(), type=Report)


def _outcomes(
    runner: asyncio.Runner, found: dict[str, Launch], names: Sequence[str], size: Size, progress: Progress
) -> Iterator[Outcome]:
    """Scenario by scenario, so that what is compared was measured close together."""
    for name in names:
        for target, launch in found.items():
            if name in WITHOUT.get(target, ()):
                continue
            try:
                (outcome,) = runner.run(run.measure(launch, [name], size.plan(name, target), progress))
                yield outcome
            except (NotifyError, OSError, TimeoutError, httpx.HTTPError, AMQPError) as exc:
                # One that breaks under the load is a result too, and must not cost the others theirs.
                yield Outcome(target, name, {}, problems=[f"{type(exc).__name__}: {exc}"])


if __name__ == "__main__":
    main()
