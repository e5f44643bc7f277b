"""`notify-sse doctor`."""

import logging
import os
from typing import Final

import click
import uvloop

from notify_sse.cli.diagnosis import findings
from notify_sse.cli.options import json_option, print_json
from notify_sse.config import PREFIX, read_settings
from notify_sse.core.ports import Finding
from notify_sse.errors import BadConfiguration

_COLOURS: Final = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command("doctor")
@click.option("--token", help="A token to check too, as whoever asks the service sends it.")
@click.option("--strict", is_flag=True, help="Exit code 1 for a warning too.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, token: str | None, strict: bool, as_json: bool) -> None:
    """Check all that the service needs, by the steps that it takes itself; change nothing.

    Settings and keys; the database, its schema, privileges, sizes and clock; which gateways are up, with which
    versions; the broker, what its user may do there, its queues, on how many nodes they are and what waits in them;
    limits of this machine; the running service, and how fast it is. Says what to do about each thing that is wrong.
    Exit code 1 when there is an error; warnings alone are 0.
    """
    logging.disable()  # what the libraries would log, the findings say
    found = uvloop.run(_examine(token, as_json=as_json))
    if as_json:
        print_json(found)
    bad = ("error", "warning") if strict else ("error",)
    if any(one.status in bad for one in found):
        ctx.exit(1)


async def _examine(token: str | None, *, as_json: bool) -> list[Finding]:
    found = []

    def report(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            _show(finding)

    try:
        settings = read_settings(os.environ)
    except BadConfiguration as exc:
        report(Finding("settings", "error", str(exc), "`notify-sse settings --markdown` describes them all"))
        return found
    given = sum(1 for name in os.environ if name.startswith(PREFIX))
    report(Finding("settings", "ok", f"{given} set in the environment" if given else "all at their defaults"))
    async for finding in findings(settings, token=token):
        report(finding)
    return found


def _show(finding: Finding) -> None:
    status = click.style(f"{finding.status:8}", fg=_COLOURS[finding.status])
    click.echo(f"{status}{finding.check:11} {finding.detail}")
    if finding.advice:
        click.echo(f"{'':20}→ {finding.advice}")
