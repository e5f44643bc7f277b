"""`notify-sse bench`: how fast is it here? Puts load on a service and measures what comes out."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import uvloop

from notify_sse.cli.commands.capacity import command as planning
from notify_sse.cli.options import service_url
from notify_sse.config import read_settings

NAMES: Final = ("idle", "steady", "broadcast", "burst", "herd", "replay", "churn", "ramp")
POSITIVE: Final = click.FloatRange(min=0, min_open=True)
COUNT: Final = click.IntRange(min=1)


class _WithPlanning(click.Group):
    """A command with arguments of its own, scenarios; unless the first is the name of a command below it."""

    allow_extra_args = False
    allow_interspersed_args = True
    collect_usage_pieces = click.Command.collect_usage_pieces
    parse_args = click.Command.parse_args

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Of the command below, when it is called."""
        if args and args[0] in self.commands:
            return self.commands[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that `ctx` is of."""
        return click.Command.invoke(ctx.command, ctx)


@click.command("bench", cls=_WithPlanning, commands=[planning], no_args_is_help=False)
@click.argument("scenarios", nargs=-1, type=click.Choice(NAMES))
@click.option("--url", help="Measure the service that runs there, with the settings in the environment.")
@click.option("--serve", is_flag=True, help="Measure a service that is started for it.  [default without --url]")
@click.option("--bare", is_flag=True, help="Measure a bare server that stores nothing: the tool's own ceiling.")
@click.option("--broker-url", help="With --serve: RabbitMQ, in place of the broker inside the process.")
@click.option("--database-url", help="With --serve: an empty Postgres database, in place of an SQLite file.")
@click.option("--over-http", is_flag=True, help="Publish over HTTP, although there is a RabbitMQ.")
@click.option(
    "--publisher",
    type=click.Choice(("amqp", "aio-pika")),
    default="amqp",
    show_default=True,
    help="Who publishes to RabbitMQ: packed frames, which cost little, or aio-pika, a call for each.",
)
@click.option("--websocket", is_flag=True, help="Over WebSockets, in place of Server-Sent Events.")
@click.option("--streams", "-n", type=COUNT, help="How many streams.  [default: 1000]")
@click.option("--topics", type=click.IntRange(0, 50), help="Topics that each stream names.  [default: 0]")
@click.option("--rate", "-r", type=POSITIVE, help="Notifications a second.  [default: 500]")
@click.option("--seconds", "-s", type=POSITIVE, help="How long each scenario publishes.  [default: 10]")
@click.option("--burst", type=COUNT, help="Notifications of a burst.  [default: 5000]")
@click.option("--broadcasts", type=COUNT, help="How many broadcasts.  [default: 10]")
@click.option("--replay", type=COUNT, help="Events of a replay.  [default: 20000]")
@click.option("--churn", "churn_per_s", type=POSITIVE, help="Streams that drop and resume each second.  [default: 50]")
@click.option("--limit", "limit_ms", type=POSITIVE, help="p95 in ms up to which the ramp goes on.  [default: 100]")
@click.option("--ramp-from", type=POSITIVE, help="First rate of the ramp.  [default: 500]")
@click.option("--payload-bytes", "filler", type=click.IntRange(0, 15_000), help="Text in each payload.  [default: 100]")
@click.option("--client-processes", type=COUNT, help="Processes that hold the streams.  [default: 2]")
@click.option("--pid", "pids", multiple=True, metavar="GROUP=PID", help="Processes to watch: server, broker, database.")
@click.option(
    "--assert",
    "asserted",
    multiple=True,
    metavar="COMPARISON",
    help="What must hold, such as 'p95<100' or 'steady.lost=0'; else exit code 1. Repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report with plots there.")
@click.option("--quiet", "-q", is_flag=True, help="Do not tell how far it is.")
def command(
    *,
    scenarios: tuple[str, ...],
    url: str | None,
    serve: bool,
    bare: bool,
    broker_url: str | None,
    database_url: str | None,
    over_http: bool,
    publisher: Any,
    pids: tuple[str, ...],
    asserted: tuple[str, ...],
    as_json: bool,
    html: Path | None,
    quiet: bool,
    **amounts: Any,
) -> None:
    """Measure latency, throughput, memory and CPU with SCENARIOS, all of them when none is named.

    \b
    idle       open streams, memory of each, connects a second, CPU at rest
    steady     a notification for one stream after another, at an even rate
    broadcast  one for all streams
    burst      many at one moment
    herd       every stream is cut and comes back at once
    replay     one client comes back to a long stretch of the log
    churn      streams drop and resume all the time
    ramp       the highest rate with p95 within --limit

    Latency is from when a notification was due at the publisher until a client has it. Everything runs on this
    machine and competes for its processors; the CPU of each part is told apart.
    """  # noqa: D301 - click's mark for lines that stay as they are
    if url and (serve or bare):
        raise click.UsageError("--url is a service that runs already: it goes without --serve and --bare")
    from notify_sse.bench import run, target  # noqa: PLC0415  (no other command loads it)
    from notify_sse.bench.bare import bare_server  # noqa: PLC0415
    from notify_sse.bench.plan import Plan, Progress  # noqa: PLC0415
    from notify_sse.bench.report import assertions, html_report, results  # noqa: PLC0415

    watched = _pids(pids)
    try:
        wanted = [assertions.parsed(text) for text in asserted]
    except ValueError as exc:
        raise click.UsageError(f"--assert: {exc}") from None
    if bare:
        launch = bare_server()
    elif url:
        settings = read_settings(os.environ)
        launch = target.running_service(
            service_url(settings, url), settings, watched, over_http=over_http, publisher=publisher
        )
    else:
        launch = target.started_service(
            "notify-sse",
            broker_url=broker_url or "memory://",
            database_url=database_url,
            pids=watched,
            over_http=over_http,
            publisher=publisher,
        )
    plan = Plan(**{name: value for name, value in amounts.items() if value is not None})
    report = run.new_report()
    run.end_in_order()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        work = run.measure(launch, scenarios or NAMES, plan, Progress(quiet=quiet))
        report.outcomes += runner.run(work)
    click.echo(msgspec.json.encode(report) if as_json else results.table(report))
    if html:
        html.write_text(html_report.rendered(report))
    if wanted and (failed := assertions.failures(wanted, report.outcomes)):
        for line in failed:
            click.echo(f"notify-sse: {line}", err=True)
        sys.exit(1)


def _pids(given: tuple[str, ...]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for text in given:
        group, _, pid = text.partition("=")
        if group not in ("server", "broker", "database") or not pid.isdigit():
            raise click.UsageError(f"--pid: {text!r} is not GROUP=PID, with server, broker or database")
        groups.setdefault(group, []).append(int(pid))
    return groups
