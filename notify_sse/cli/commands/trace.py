"""`notify-sse trace`: what became of one notification."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import click
import uvloop
from msgspec import UNSET

from notify_sse.broker import open_broker
from notify_sse.cli import Failed
from notify_sse.cli.options import client_settings, json_option, print_json, print_line
from notify_sse.config import Settings
from notify_sse.core.model import GONE
from notify_sse.core.ports import Broker, Listener
from notify_sse.store import open_journal
from notify_sse.web.admin.trace import TraceAnswer, TracedConnection, TraceItem, trace

CONNECT_S: Final = 1.0

EXAMPLES: Final = """\b
notify-sse trace order-4711-paid
notify-sse trace order-4711-paid --to alice --json
"""


@click.command("trace", epilog=EXAMPLES)
@click.argument("notification_id")
@click.option(
    "--to", metavar="RECIPIENT", help="Of it for this recipient only. For one of a topic: whether this one got it."
)
@json_option
def command(notification_id: str, *, to: str | None, as_json: bool) -> None:
    """Tell what became of the notification NOTIFICATION_ID, out of the database.

    When and by which way it was accepted; its cursor; on which connections of the recipient it was written, and how
    they ended; whether a client came back with a cursor beyond it, which proves that it was received; when the
    recipient marked it as read; or with what reason it was refused. What cannot be known is said. Works while the
    service and the broker are away.
    """
    settings = client_settings()
    found = uvloop.run(_trace(settings, notification_id, to))
    if as_json:
        print_json(found)
    else:
        for line in _lines(found):
            print_line(line)
    if found.state == "not_found":
        raise Failed(f"{notification_id} is neither in the log nor among the dead letters that could be looked at")


async def _trace(settings: Settings, notification_id: str, to: str | None) -> TraceAnswer:
    journal = open_journal(settings.database_url)
    broker = await _broker(settings)
    try:
        return await trace(journal, broker, notification_id, to=to)
    finally:
        await journal.close()
        if broker is not None:
            await broker.close()


async def _broker(settings: Settings) -> Broker | None:
    """The broker, given a moment to connect. None for the one inside the service."""
    if settings.embedded_broker:
        return None
    broker = open_broker(settings.broker_url, prefix=settings.amqp_prefix)
    connected = asyncio.Event()
    await broker.start(Listener(on_connected=connected.set))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CONNECT_S):
            await connected.wait()
    return broker


def _lines(found: TraceAnswer) -> Iterator[str]:
    for item in found.items:
        yield from _item(item)
    for refused in found.refused:
        yield f"refused: {refused.reason}: {refused.detail} (dead letter since {refused.at})"
    for unknown in found.unknown:
        yield f"not known: {unknown}"


def _item(item: TraceItem) -> Iterator[str]:
    whom = f"recipient {item.recipient_id}" if item.topic is UNSET else f"topic {item.topic}"
    if item.notification_type == GONE:
        yield f"recalled or erased, for {whom}: its place is left, and nothing of its content"
    else:
        yield f"{item.notification_type} for {whom}, published {item.timestamp}"
    if item.accepted:
        told = "announced to all gateways" if item.accepted.announced else "not announced: the log tells the gateways"
        yield f"accepted over {item.accepted.way} by {item.accepted.gateway}; {told}"
    yield f"committed {item.committed_at} as {item.cursor}" + (
        f", expires {item.expires_at}" if item.expires_at else ""
    )
    for connection in item.connections:
        yield f"  {_told(connection)}: {_described(connection)}"
    if not item.connections and item.topic is UNSET:
        yield "  no connection of the recipient since then is known"
    if item.received:
        yield f"received: a client came back with {item.received.cursor} at {item.received.at}"
    elif item.connections:
        yield "no client has come back with a cursor beyond it: whether it was received is not proven"
    if item.read:
        yield f"read: the recipient marked it at {item.read.at}"


def _told(connection: TracedConnection) -> str:
    why = f" ({connection.why})" if connection.why else ""
    return connection.state.replace("_", " ") + why


def _described(connection: TracedConnection) -> str:
    end = {True: "open", None: "nobody knows whether it is open", False: "ended with its gateway"}[connection.open]
    if connection.closed_at:
        end = f"closed {connection.closed_at} ({connection.closed_reason}) at {connection.closed_cursor}"
    return (
        f"{connection.transport} {connection.connection_id} at {connection.gateway}, "
        f"opened {connection.opened_at} at {connection.opened_cursor}, {end}"
    )
