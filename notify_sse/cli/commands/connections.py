"""`notify-sse connections`: when a recipient was connected."""

from typing import Final

import click
import uvloop

from notify_sse.cli.options import client_settings, json_option, print_json, print_line
from notify_sse.store import open_journal
from notify_sse.web.admin.trace import ConnectionsAnswer, connections_of

EXAMPLES: Final = """\b
notify-sse connections alice
notify-sse connections alice --json
"""


@click.command("connections", epilog=EXAMPLES)
@click.argument("recipient")
@json_option
def command(recipient: str, *, as_json: bool) -> None:
    """List the newest connections of RECIPIENT, the newest first, out of the database.

    Each with its gateway, its transport, when it was opened and closed, at which cursors, and why it ended.
    """
    found = uvloop.run(_connections(client_settings().database_url, recipient))
    for one in found.items:
        if as_json:
            print_json(one)
            continue
        end = {True: "open", None: "not known", False: "ended with its gateway"}[one.open]
        print_line(
            one.opened_at,
            one.closed_at or end,
            one.closed_reason or "-",
            one.transport,
            one.gateway,
            f"{one.opened_cursor}…{one.closed_cursor or ''}",
            one.connection_id,
        )
    if found.more:
        click.echo(f"notify-sse: only the newest {len(found.items)} are shown", err=True)


async def _connections(database_url: str, recipient: str) -> ConnectionsAnswer:
    journal = open_journal(database_url)
    try:
        return await connections_of(journal, recipient)
    finally:
        await journal.close()
