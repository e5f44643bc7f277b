"""`notify-sse publish`: one notification from the arguments, or JSON lines from standard input.

Through RabbitMQ when one is configured, as a backend service would; else to the running service over HTTP.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import IO, Any, Final

import click
import msgspec
import uvloop

from notify_sse.auth import PUBLISH
from notify_sse.cli import discard_stdout
from notify_sse.cli.lines import Line, Progress, batches, parsed
from notify_sse.cli.options import client_settings, json_option, print_json, service_options, service_url, tokens
from notify_sse.cli.senders import Accepted, HttpSender, Sender, amqp_sender
from notify_sse.config import Settings
from notify_sse.errors import BadNotification, NotifyError
from notify_sse.log.new_id import new_id

EXAMPLES: Final = """\b
notify-sse publish --to alice --type new_message '{"text": "hi"}'
notify-sse publish --topic all --type system_alert '{"text": "back at noon"}'
notify-sse publish --type account_update < notifications.jsonl > ids.txt
"""


@click.command("publish", epilog=EXAMPLES)
@click.argument("payload", required=False)
@click.option("--to", "recipient_id", help="The recipient.")
@click.option("--topic", help="The topic; `all` is everyone.")
@click.option("--type", "notification_type", help="The notification type, such as new_message.")
@click.option("--id", "notification_id", help="The notification_id: publishing the same again repeats nothing.")
@click.option("--expires-at", help="When it is of no more use, as 2026-11-22T10:00:00Z.")
@click.option("--quiet", "-q", is_flag=True, help="Print no ids.")
@json_option
@service_options
def command(
    *, payload: str | None, url: str | None, token: str | None, quiet: bool, as_json: bool, **fields: str | None
) -> None:
    """Publish PAYLOAD, a JSON object, to a recipient or a topic; prints its id once it is safe.

    Without PAYLOAD, or with -, standard input holds notifications, one JSON document a line; the options fill in
    what a line lacks. They are published in order, in batches. If that stops half way, the line is named; start
    again from it, or from the beginning when every line has a notification_id of its own.

    Goes through RabbitMQ when NOTIFY_SSE_BROKER_URL is amqp:// and no --url is given, else to the service over HTTP.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    settings = client_settings()
    stream = _input(payload, given)
    uvloop.run(_publish(_Job(settings, url, token, given, payload, quiet=quiet, as_json=as_json), stream))


class _Job(msgspec.Struct, frozen=True):
    settings: Settings
    url: str | None
    token: str | None
    given: dict[str, str]
    payload: str | None
    quiet: bool
    as_json: bool


def _input(payload: str | None, given: dict[str, str]) -> IO[bytes] | None:
    """Standard input when it is to be read, None when the payload is the argument."""
    if payload not in (None, "-"):
        return None
    if "notification_id" in given:
        raise click.UsageError("--id names one notification; lines bring their own notification_id")
    if payload is None and sys.stdin.isatty():
        raise click.UsageError('give a PAYLOAD, such as \'{"text": "hi"}\', or JSON lines on standard input')
    return sys.stdin.buffer


async def _publish(job: _Job, stream: IO[bytes] | None) -> None:
    async with AsyncExitStack() as stack:
        sender = await _sender(job, stack)
        if stream is None:
            try:
                _show(job, await sender.send([_single(job)]))
            except BadNotification as exc:
                raise click.UsageError(str(exc)) from exc
            return
        count = 0
        try:
            with Progress(stream, ids_shown=not job.quiet) as progress:
                async for lines in _published(job, sender, stream):
                    progress.advance(lines)
                    count += len(lines)
        except NotifyError:
            click.echo(f"notify-sse: {count} published before it stopped", err=True)
            raise
        click.echo(f"notify-sse: {count} published", err=True)


async def _published(job: _Job, sender: Sender, stream: IO[bytes]) -> AsyncIterator[list[Line]]:
    """Publish the lines of `stream`; yields each batch once it is safe."""
    read: asyncio.Queue[list[Line] | Exception] = asyncio.Queue(maxsize=1)
    reading = asyncio.create_task(_read(job, stream, read))
    try:
        while lines := await read.get():
            if isinstance(lines, Exception):
                raise lines
            _show(job, await sender.send(lines))
            yield lines
    finally:
        reading.cancel()


async def _read(job: _Job, stream: IO[bytes], into: "asyncio.Queue[list[Line] | Exception]") -> None:
    """Read a batch while the one before is on its way; an empty one is the end. What cannot be read is told after what
    came before it.
    """
    try:
        async for batch in batches(stream):
            await into.put([_identified(parsed(number, raw, job.given)) for number, raw in batch])
        await into.put([])
    except Exception as exc:  # noqa: BLE001  it is raised where they are published
        await into.put(exc)


async def _sender(job: _Job, stack: AsyncExitStack) -> Sender:
    if not job.settings.embedded_broker and job.url is None:
        return await stack.enter_async_context(amqp_sender(job.settings))
    token_for = tokens(job.settings, job.token, "notify-sse publish", scopes=[PUBLISH], ttl_s=60)
    return await stack.enter_async_context(HttpSender(service_url(job.settings, job.url), token_for=token_for))


def _single(job: _Job) -> Line:
    try:
        payload = msgspec.json.decode((job.payload or "").encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise click.UsageError("PAYLOAD is not JSON") from exc
    return _identified(Line(0, job.given | {"payload": payload}))


def _identified(line: Line) -> Line:
    """With an id of our own making where it has none, so that it can be sent again without being repeated."""
    if "notification_id" in line.document:
        return line
    document: dict[str, Any] = {"notification_id": new_id()} | line.document
    return Line(line.number, document, line.size)


def _show(job: _Job, accepted: list[Accepted]) -> None:
    """Print the ids. When their reader has gone (`| head`), publishing goes on all the same."""
    if job.quiet:
        return
    try:
        if job.as_json:
            for one in accepted:
                print_json(one)
        else:
            click.echo("\n".join("  ".join(filter(None, (one.notification_id, one.cursor))) for one in accepted))
    except BrokenPipeError:
        discard_stdout()
