"""`notify-sse dlq`: the messages that were refused at ingest, with their reasons."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import click
import uvloop

from notify_sse.broker import open_broker
from notify_sse.cli import Failed
from notify_sse.cli.options import by_this_user, client_settings, json_option, print_json, print_line
from notify_sse.config import Settings, variable
from notify_sse.core.access import Change
from notify_sse.core.dead_letters import Oldest, chosen_by, handle_of
from notify_sse.core.ports import Broker, DeadLetter, Listener, Visit
from notify_sse.errors import BadConfiguration, NotifyError
from notify_sse.store import has_log, open_access_records

T = TypeVar("T")

NOTE_S: Final = 5.0

EXAMPLES: Final = """\b
notify-sse dlq list
notify-sse dlq show 3f9ac2d1
notify-sse dlq count
notify-sse dlq replay 3f9ac2d1 77b01c9e
notify-sse dlq replay --reason key_mismatch --limit 10
notify-sse dlq purge --reason malformed
"""

handles_argument = click.argument("handles", nargs=-1, metavar="[HANDLE]...")
reason_option = click.option("--reason", "-r", help="Only those refused for this reason.")


@click.group("dlq", epilog=EXAMPLES)
def command() -> None:
    """Look after the messages that were refused: in the queue `<prefix>.dead` of RabbitMQ.

    A message is refused when it breaks the contract. Mend what published it; then `replay` if the rules or the
    service have changed since, or `purge`. Both are noted in the audit log, where the database can be reached.
    """


@command.command("list")
@click.option("--limit", "-n", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@reason_option
@json_option
def list_(limit: int, *, reason: str | None, as_json: bool) -> None:
    """List the oldest refused messages: handle, time, reason, routing key and what is wrong."""
    # RabbitMQ may have them in another order than that of their age: all are looked at.
    documents = Oldest(limit, kept=_document if as_json else _summary)

    def visit(letter: DeadLetter) -> bool:
        if reason in (None, letter.reason):
            documents.add(letter)
        return False

    _look(visit)
    for document in documents.items:
        if as_json:
            print_json(document)
        else:
            print_line(*(document[name] for name in ("handle", "died_at", "reason", "routing_key", "detail")))


@command.command("count")
@json_option
def count(*, as_json: bool) -> None:
    """Count the refused messages by reason, the most frequent first."""
    reasons: Counter[str] = Counter()

    def visit(letter: DeadLetter) -> bool:
        reasons[letter.reason] += 1
        return False

    _look(visit)
    if as_json:
        print_json({"total": reasons.total(), "reasons": dict(reasons.most_common())})
        return
    for reason, number in reasons.most_common():
        print_line(number, reason)
    print_line(reasons.total(), "in all")


@command.command("show")
@click.argument("handle")
@json_option
def show(handle: str, *, as_json: bool) -> None:
    """Show the refused message with this HANDLE from the list, with its body."""
    found: list[DeadLetter] = []

    def visit(letter: DeadLetter) -> bool:
        if handle_of(letter) == handle:
            found.append(letter)
        return bool(found)

    _look(visit)
    if not found:
        raise Failed(f"there is no refused message {handle}; `notify-sse dlq list` shows the handles")
    if as_json:
        print_json(_document(found[0]))
        return
    for name, value in _document(found[0]).items():
        print_line(f"{name}:", value)


@command.command("replay")
@handles_argument
@reason_option
@click.option("--limit", "-n", type=click.IntRange(min=1), default=1_000_000, help="At most so many.  [default: all]")
def replay(handles: tuple[str, ...], *, reason: str | None, limit: int) -> None:
    """Publish the oldest refused messages again: all, or those with these HANDLEs or this reason. One that is refused
    again comes back.
    """
    chosen = chosen_by(handles, reason)
    noted = _change("dead_letters.replay", handles, reason)
    replayed = _with_broker(lambda broker: broker.replay_dead_letters(limit=limit, chosen=chosen), noted=noted)
    click.echo(f"{replayed} replayed")
    _require(handles, replayed, limit)


@command.command("purge")
@handles_argument
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(handles: tuple[str, ...], *, reason: str | None, yes: bool) -> None:
    """Remove every refused message, or those with these HANDLEs or this reason."""
    which = "these refused messages" if handles or reason else "every refused message"
    if not yes and not click.confirm(f"Remove {which}?", err=True):
        raise Failed("nothing was removed")
    chosen = chosen_by(handles, reason)
    noted = _change("dead_letters.purge", handles, reason)
    removed = _with_broker(lambda broker: broker.purge_dead_letters(chosen=chosen), noted=noted)
    click.echo(f"{removed} removed")
    _require(handles, removed)


def _require(handles: tuple[str, ...], found: int, limit: int | None = None) -> None:
    """Whoever names messages is told when some of them are not there. (Equal ones share a handle.)"""
    named = len(set(handles))
    if found < (named if limit is None else min(named, limit)):
        raise Failed("some of these are not there; `notify-sse dlq list` shows the handles")


def _look(visit: Visit) -> None:
    """Through all, one after the other."""
    _with_broker(lambda broker: broker.visit_dead_letters(visit))


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "handle": handle_of(letter),
        "died_at": letter.died_at,
        "reason": letter.reason,
        "detail": letter.detail,
        "routing_key": letter.routing_key,
        "content_type": letter.content_type,
        "message_id": letter.message_id,
    }


def _document(letter: DeadLetter) -> dict[str, Any]:
    """With its body."""
    document = _summary(letter)
    try:
        return document | {"body": letter.body.decode()}
    except UnicodeDecodeError:
        return document | {"body_base64": base64.b64encode(letter.body).decode()}


def _change(action: str, handles: tuple[str, ...], reason: str | None) -> Change:
    """For the audit log: which letters are meant. Nothing in it: all of them."""
    meant = {"handles": list(handles), "reason": reason}
    return by_this_user(action, details={name: value for name, value in meant.items() if value})


async def _note(settings: Settings, change: Change) -> None:
    """Into the audit log, before the change. It is made even so: whoever has the broker may not have the database."""
    try:
        async with asyncio.timeout(NOTE_S):
            if not await has_log(settings.database_url):
                raise BadConfiguration(f"{variable('database_url')}: there is no log")
            records = open_access_records(settings.database_url)
            try:
                await records.note(change)
            finally:
                await records.close()
    except (NotifyError, TimeoutError) as exc:
        click.echo(f"notify-sse: not noted in the audit log: {exc or 'the database does not answer'}", err=True)


def _with_broker(work: Callable[[Broker], Awaitable[T]], *, noted: Change | None = None) -> T:
    settings = client_settings()
    if settings.embedded_broker:
        raise BadConfiguration(
            f"{variable('broker_url')}: memory:// lives inside the service, which logs what it refuses; "
            "there is no queue to look into"
        )

    async def run() -> T:
        async with connected(settings) as broker:
            if noted:
                await _note(settings, noted)
            return await work(broker)

    return uvloop.run(run())


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Broker]:
    """The broker of these settings, for what publishes or looks; it consumes nothing."""
    broker = open_broker(settings.broker_url, prefix=settings.amqp_prefix, publish_timeout_s=settings.publish_timeout_s)
    await broker.start(Listener(on_connected=lambda: None))
    try:
        yield broker
    finally:
        await broker.close()
