"""`notify-sse rollout`: who gets streams, shown and changed for all gateways, while they run."""

import os
from typing import Any

import click
import msgspec
import uvloop
from msgspec import UNSET

from notify_sse.cli import Failed
from notify_sse.cli.options import by_this_user, json_option, print_json, print_line
from notify_sse.config import Settings, read_settings
from notify_sse.core.rollout import Rollout, RolloutChange
from notify_sse.store import open_access_records, open_rollout_records, open_store
from notify_sse.telemetry import logs

EXAMPLES = """\b
notify-sse rollout
notify-sse rollout --percent 25
notify-sse rollout --allow alice --allow bob
notify-sse rollout --reset
"""


@click.command("rollout", epilog=EXAMPLES)
@click.option("--percent", type=click.FloatRange(0, 100), help="So many percent of the recipients get streams.")
@click.option("--allow", multiple=True, metavar="RECIPIENT", help="Gets streams in any case. The list is replaced.")
@click.option("--deny", multiple=True, metavar="RECIPIENT", help="Gets none in any case. The list is replaced.")
@click.option("--reset", is_flag=True, help="Forget what was set here before: the settings hold.")
@json_option
def command(
    *, percent: float | None, allow: tuple[str, ...], deny: tuple[str, ...], reset: bool, as_json: bool
) -> None:
    """Say who gets streams, or change it: in every gateway within two seconds, without a restart.

    What is set here is kept in the database, and wins over NOTIFY_SSE_ROLLOUT_PERCENT, _ALLOW and _DENY. An empty
    RECIPIENT makes a list empty. Open streams of recipients that are no longer enabled are ended; their clients poll.
    """
    settings = read_settings(os.environ)
    logs.set_up(level=settings.log_level, log_format=settings.log_format)
    given = {"percent": percent, "allow": allow or None, "deny": deny or None}
    lists = {name: tuple(one for one in value if one) for name, value in given.items() if isinstance(value, tuple)}
    wanted: dict[str, Any] = {name: value for name, value in (given | lists).items() if value is not None}
    try:
        change = msgspec.convert(wanted, RolloutChange)
    except msgspec.ValidationError as exc:
        raise Failed(f"{exc}") from None
    change = uvloop.run(_changed(settings, change, reset=reset))
    _show(settings, change, as_json=as_json)


async def _changed(settings: Settings, change: RolloutChange, *, reset: bool) -> RolloutChange:
    """What is set once `change` is."""
    store, records = open_store(settings.database_url), open_rollout_records(settings.database_url)
    access = open_access_records(settings.database_url)
    try:
        await store.open()  # the schema is there, and one that we can use
        before = RolloutChange() if reset else await records.read()
        fields = RolloutChange.__struct_fields__
        asked = {name: getattr(change, name) for name in fields if getattr(change, name) is not UNSET}
        after = msgspec.structs.replace(before, **asked)
        if asked or reset:
            # First, so that no change is without its record; one that then fails is there too, and does no harm.
            await access.note(by_this_user("rollout.change", details=msgspec.to_builtins(after)))
            await records.write(after)
        return after
    finally:
        await access.close()
        await records.close()
        await store.close()


def _show(settings: Settings, change: RolloutChange, *, as_json: bool) -> None:
    by_settings = Rollout(settings.rollout_percent, frozenset(settings.rollout_allow), frozenset(settings.rollout_deny))
    now = by_settings.changed(change)
    if as_json:
        print_json({"percent": now.percent, "allow": sorted(now.allow), "deny": sorted(now.deny)})
        return
    for name, value in (
        ("percent", f"{now.percent:g}"),
        ("allow", ", ".join(sorted(now.allow)) or "nobody"),
        ("deny", ", ".join(sorted(now.deny)) or "nobody"),
    ):
        print_line(f"{name}:", value, "(as the settings say)" if getattr(change, name) is UNSET else "")
