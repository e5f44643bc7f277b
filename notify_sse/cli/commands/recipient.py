"""`notify-sse recipient`: what is stored of a recipient, and its erasure. Works on the database itself."""

import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import click
import uvloop

from notify_sse.cli import Failed
from notify_sse.cli.options import json_option, print_json, print_line
from notify_sse.config import Settings, read_settings
from notify_sse.core.access import Change
from notify_sse.core.cursor import Cursor
from notify_sse.core.erasure import Erased, Erasure
from notify_sse.core.parse import channel_of
from notify_sse.core.read_state import ReadState
from notify_sse.errors import BadNotification
from notify_sse.log.export import export as exported
from notify_sse.store import open_access_records, open_erasure, open_read_state, open_store
from notify_sse.telemetry import logs

EXAMPLES: Final = """\b
notify-sse recipient export alice > alice.jsonl
notify-sse recipient erase alice
"""


@click.group("recipient", epilog=EXAMPLES)
def command() -> None:
    """Export or erase everything that is stored of one recipient. Both go into the audit log."""


@command.command("export")
@click.argument("recipient")
def export(recipient: str) -> None:
    """Print everything that is stored of RECIPIENT, as JSON lines, in the order of the log."""
    uvloop.run(_export(_settings(), _checked(recipient)))


@command.command("erase")
@click.argument("recipient")
@json_option
def erase(recipient: str, *, as_json: bool) -> None:
    """Erase the content of everything that is stored of RECIPIENT, in every gateway within a second.

    Tombstones stay: ids and cursors, no content. Open streams of RECIPIENT end. Copies elsewhere (dead letters, dumps)
    are not touched.
    """
    erased = uvloop.run(_erase(_settings(), _checked(recipient)))
    cursor = str(Cursor(erased.epoch, erased.event.id))
    if as_json:
        print_json({"recipient_id": recipient, "erased": erased.count, "cursor": cursor})
    else:
        print_line("erased:", str(erased.count), "up to", cursor)


async def _export(settings: Settings, recipient: str) -> None:
    async with _opened(settings, "recipient.export", recipient) as (erasure, read_state):
        async for line in exported(erasure, read_state, recipient):
            sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


async def _erase(settings: Settings, recipient: str) -> Erased:
    async with _opened(settings, "recipient.erase", recipient) as (erasure, _):
        return await erasure.erase(recipient)


@asynccontextmanager
async def _opened(settings: Settings, action: str, recipient: str) -> AsyncIterator[tuple[Erasure, ReadState]]:
    """The database, once `action` is in its audit log."""
    store, records = open_store(settings.database_url), open_access_records(settings.database_url)
    erasure, read_state = open_erasure(settings.database_url), open_read_state(settings.database_url)
    try:
        await store.open()  # the schema is there, and one that we can use
        await records.note(Change(who=f"cli:{getpass.getuser()}", address="", action=action, target=recipient))
        yield erasure, read_state
    finally:
        for one in (read_state, erasure, records, store):
            await one.close()


def _settings() -> Settings:
    settings = read_settings(os.environ)
    logs.set_up(level=settings.log_level, log_format=settings.log_format)
    return settings


def _checked(recipient: str) -> str:
    try:
        channel_of({"recipient_id": recipient})
    except BadNotification as exc:
        raise Failed(str(exc)) from None
    return recipient
