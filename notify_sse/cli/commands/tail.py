"""`notify-sse tail`: a terminal's EventSource."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import click
import uvloop

from notify_sse.cli.event_source import EventSource, Note, Received
from notify_sse.cli.options import (
    client_settings,
    describe,
    json_option,
    names,
    print_json,
    print_line,
    recipient_argument,
    recipient_of,
    service_options,
    service_url,
    tokens,
)

EXAMPLES: Final = """\b
notify-sse tail alice
notify-sse tail alice --topics billing --json | jq .payload
notify-sse tail alice --from k3f9a1.4710 --count 1
"""


@click.command("tail", epilog=EXAMPLES)
@recipient_argument
@click.option("--topics", "--topic", "topics", multiple=True, help="Topics to read too; repeatable, or with commas.")
@click.option("--from", "cursor", metavar="CURSOR", help="Start after this cursor.  [default: with what comes now]")
@click.option("--count", "-n", type=click.IntRange(min=1), help="End after so many notifications.")
@json_option
@service_options
def command(
    *,
    recipient: str | None,
    topics: tuple[str, ...],
    cursor: str | None,
    count: int | None,
    url: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Show the notifications of RECIPIENT as they arrive, until Ctrl-C.

    Reconnects by itself, and goes on where it was: nothing is missed and nothing comes twice. Everything but
    notifications is told on stderr; a `reset`, which means that some may be missing, is also printed with --json.
    """
    settings = client_settings()
    granted = names(topics)
    source = EventSource(
        service_url(settings, url),
        token_for=tokens(settings, token, recipient_of(recipient, token), topics=granted, ttl_s=3600),
        topics=granted,
        cursor=cursor,
    )
    try:
        uvloop.run(_tail(source.events(), count=count, as_json=as_json))
    finally:
        if source.cursor:
            click.echo(f"notify-sse: go on with --from {source.cursor}", err=True)


async def _tail(events: AsyncIterator[Received | Note], *, count: int | None, as_json: bool) -> None:
    left = count
    async with aclosing(events) as open_events:  # type: ignore[type-var]
        async for event in open_events:
            if isinstance(event, Note):
                click.echo(f"notify-sse: {event.text}", err=True)
                if event.reset and as_json:
                    print_json({"event": "reset", "cursor": event.cursor, "data": event.reset})
                continue
            if as_json:
                print_json({"cursor": event.cursor, **event.document})
            else:
                print_line(*describe(event.document))
            if left is not None and (left := left - 1) == 0:
                return
