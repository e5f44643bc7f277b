"""`notify-sse migrate`."""

import os

import click
import uvloop

from notify_sse.cli import Failed
from notify_sse.cli.options import by_this_user
from notify_sse.config import Settings, read_settings
from notify_sse.store import leaves_behind, migrate, open_access_records, open_store
from notify_sse.telemetry import logs


@click.command("migrate")
@click.option(
    "--new-epoch",
    is_flag=True,
    help="After restoring a database from a copy: every client is told (`reset`) that it may have missed something.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(*, new_epoch: bool, yes: bool) -> None:
    """Bring the database to the schema of this version. Safe to repeat, and while the service runs.

    Prints what was done. Asks first where older versions that still run could not start again on the new schema. The
    service does this by itself for an empty database and for SQLite.
    """
    settings = read_settings(os.environ)
    logs.set_up(level=settings.log_level, log_format=settings.log_format)
    if not yes:
        _ask(settings, new_epoch=new_epoch)
    uvloop.run(_migrate(settings, new_epoch=new_epoch))


def _ask(settings: Settings, *, new_epoch: bool) -> None:
    """About each thing that hurts whoever runs: a process that is older than the schema goes on, until it has to start
    again; and every client of a new epoch gets a `reset`, with which most of them read their history anew.
    """
    if uvloop.run(leaves_behind(settings.database_url)):
        _ask_one("Make a schema on which the versions of before cannot start again?")
    if new_epoch:
        _ask_one("Tell every client that it may have missed something?")


def _ask_one(question: str) -> None:
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # nobody is there to answer
        agreed = False
    if not agreed:
        raise Failed("nothing was changed (--yes does it without asking)")


async def _migrate(settings: Settings, *, new_epoch: bool) -> None:
    migrated = await migrate(settings.database_url)
    if migrated.before == migrated.after:
        click.echo(f"schema {migrated.after}: nothing to do")
    else:
        click.echo(f"schema {migrated.after} (before: {migrated.before or 'empty'})")
    if new_epoch:
        store, access = open_store(settings.database_url), open_access_records(settings.database_url)
        try:
            await store.open()
            epoch = await store.new_epoch()
            await access.note(by_this_user("log.new_epoch", details={"epoch": epoch}))
            click.echo(f"new epoch {epoch}")
        finally:
            await access.close()
            await store.close()
