"""`python -m bench`: every scenario on every target, one after another, side by side in one run."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
import uvloop

from bench import document
from bench.sizes import SIZES, WITHOUT, Size
from bench.targets import BARE, BASELINE, EMBEDDED, NCHAN, STACK, launches, nchan_installed
from notify_sse.bench import page, run
from notify_sse.bench.plan import Progress
from notify_sse.bench.results import Outcome, Report, table
from notify_sse.bench.target import Launch
from notify_sse.errors import NotifyError
from tests.services import private_directory, start_postgres, start_rabbitmq

TARGETS = (STACK, EMBEDDED, BASELINE, NCHAN, BARE)
PAGE = Path("docs/explanation/performance.md")


@click.command()
@click.option("--size", type=click.Choice(list(SIZES)), default="full", show_default=True, help="With how much.")
@click.option("--scenario", "scenarios", multiple=True, type=click.Choice(list(run.SCENARIOS)), help="Only these.")
@click.option("--target", "targets", multiple=True, type=click.Choice(TARGETS), help="Only these.")
@click.option(
    "--page", "to", type=click.Path(path_type=Path), default=PAGE, show_default=True, help="Document to write."
)
@click.option("--no-page", is_flag=True, help="Write no document.")
@click.option("--json", "json_to", type=click.Path(path_type=Path), help="Write all figures there.")
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
    """Measure the service on RabbitMQ with Postgres and on the embedded default, beside three others."""
    progress = Progress()
    if NCHAN in (targets or TARGETS) and not nchan_installed():
        progress.step("nchan is left out: on Debian, apt-get install nginx libnginx-mod-nchan")
    report = run.new_report()
    run.end_in_order()
    with _launches() as found:
        chosen = {name: launch for name, launch in found.items() if name in (targets or TARGETS)}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for outcome in _outcomes(runner, chosen, scenarios or list(run.SCENARIOS), SIZES[size], progress):
                report.outcomes.append(outcome)
                _save(report, json_to)
    click.echo(table(report))
    if not no_page:
        document.write(to, report, size=size)
    if html_to:
        html_to.write_text(page.rendered(report))


@contextmanager
def _launches() -> Iterator[dict[str, Launch]]:
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        database = start_postgres(directory)
        try:
            yield launches(broker, database)
        finally:
            database.stop()
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _outcomes(
    runner: asyncio.Runner, found: dict[str, Launch], names: Sequence[str], size: Size, progress: Progress
) -> Iterator[Outcome]:
    """Scenario by scenario, so that what is compared was measured close together."""
    for name in names:
        for target, launch in found.items():
            if name in WITHOUT.get(target, ()):
                continue
            try:
                yield runner.run(run.SCENARIOS[name](launch, size.plan(name), progress))
            except NotifyError as exc:
                # One that breaks under the load is a result too, and must not cost the others theirs.
                yield Outcome(target, name, {}, problems=[str(exc)])


def _save(report: Report, to: Path | None) -> None:
    if to:
        to.write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
