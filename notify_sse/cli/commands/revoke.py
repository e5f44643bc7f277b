"""`notify-sse revoke`: takes tokens back. Straight in the database, so it works while the service is down."""

import getpass
import math
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click
import msgspec
import uvloop

from notify_sse.cli import Failed
from notify_sse.cli.options import json_option, print_json, print_line
from notify_sse.config import read_settings
from notify_sse.core.access import AccessRecords, Change, NewRevocation, RevocationRecord, RevokedKind
from notify_sse.store import open_access_records, open_store

LISTED: Final = 500

EXAMPLES: Final = """\b
notify-sse revoke --sub alice --reason "lost phone"
notify-sse revoke --jti 7Qk2hT0vYzqFJ4nB
notify-sse revoke --list
notify-sse revoke --undo 12
"""


@click.command("revoke", epilog=EXAMPLES)
@click.option("--sub", "subject", help="Revoke every token of this subject that was issued until now.")
@click.option("--jti", help="Revoke the token with this `jti`.")
@click.option("--reason", default="", help="Why; it is kept in the list and in the audit log.")
@click.option("--list", "listing", is_flag=True, help="List the revocations in force, the newest first.")
@click.option(
    "--undo", "undone", type=click.IntRange(min=1), metavar="ID", help="Take the revocation with this id back."
)
@json_option
def command(
    *, subject: str | None, jti: str | None, reason: str, listing: bool, undone: int | None, as_json: bool
) -> None:
    """Take tokens back: within a second every process closes their streams as `revoked`, and refuses them.

    A subject's tokens that are issued afterwards are good; those without an `iat` are not. `--undo` makes what was
    refused good again.
    """
    if sum((subject is not None, jti is not None, listing, undone is not None)) != 1:
        raise click.UsageError("give exactly one of --sub, --jti, --list and --undo")
    if listing:
        for record in uvloop.run(_listed()):
            _show(record, as_json=as_json)
    elif undone is not None:
        _show(uvloop.run(_undo(undone)), as_json=as_json)
    elif subject:
        _show(uvloop.run(_revoke("sub", subject, reason=reason)), as_json=as_json)
    elif jti:
        _show(uvloop.run(_revoke("jti", jti, reason=reason)), as_json=as_json)
    else:
        raise click.UsageError("--sub and --jti must not be empty")


def change(action: str, target: str = "", **details: Any) -> Change:
    """What this command changes, for the audit log: by the user of this machine, who is `cli:NAME`."""
    return Change(who=f"cli:{_user()}", address=socket.gethostname(), action=action, target=target, details=details)


@asynccontextmanager
async def access_records() -> AsyncIterator[AccessRecords]:
    """Revocations and audit log of the settings' database, whose schema has to be there."""
    database_url = read_settings(os.environ).database_url
    store, records = open_store(database_url), open_access_records(database_url)
    try:
        await store.open()
        yield records
    finally:
        await records.close()
        await store.close()


async def _listed() -> list[RevocationRecord]:
    async with access_records() as records:
        return await records.revocations(("sub", "jti"), before=None, limit=LISTED)


async def _undo(revocation_id: int) -> RevocationRecord:
    async with access_records() as records:
        undone = await records.undo(revocation_id, change=change("revocation.undo", str(revocation_id)))
    if undone is None:
        raise Failed(f"there is no revocation {revocation_id} in force; `notify-sse revoke --list` shows them")
    return undone


async def _revoke(kind: RevokedKind, value: str, *, reason: str) -> RevocationRecord:
    noted = change("revocation.create", value, kind=kind, reason=reason)
    now_ms = math.ceil(time.time() * 1000)
    revocation = NewRevocation(kind=kind, value=value, revoked_ms=now_ms, reason=reason, who=noted.who)
    async with access_records() as records:
        return await records.revoke(revocation, change=noted)


def _show(record: RevocationRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.structs.asdict(record))
    else:
        undone = "undone" if record.undone else ""
        print_line(record.id, f"{record.kind}={record.value}", record.who, record.reason, undone)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return str(os.getuid())
