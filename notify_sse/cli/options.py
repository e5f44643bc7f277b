"""What several commands share: the settings, the address of the service, tokens, and how lines are printed."""

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
import msgspec

from notify_sse.auth import mint
from notify_sse.config import Settings, read_settings, variable
from notify_sse.core.access import Change
from notify_sse.server.listening import local_url
from notify_sse.telemetry import logs
from notify_sse.telemetry.printable import printable

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def client_settings() -> Settings:
    """The settings for a command that is not the service: only errors are logged, unless a level is set."""
    level = None if os.environ.get(variable("log_level")) else "error"
    settings = read_settings(os.environ, log_level=level)
    logs.set_up(level=settings.log_level, log_format=settings.log_format)
    return settings


def by_this_user(action: str, *, details: Mapping[str, Any]) -> Change:
    """What the user of this machine changes by a command, for the audit log."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return Change(who=f"cli:{user}", address=socket.gethostname(), action=action, details=details)


def service_options(command: F) -> F:
    """`--url` and `--token`, for commands that speak to the running service over HTTP."""
    url = click.option(
        "--url",
        envvar="NOTIFY_SSE_URL",
        help="Address of the service.  [default: http://HOST:PORT of the settings]",
    )
    token = click.option(
        "--token",
        envvar="NOTIFY_SSE_TOKEN",
        help="Token to send.  [default: one made with the configured or development key]",
    )
    return url(token(command))


def service_url(settings: Settings, url: str | None) -> str:
    """Where the service of these settings is found from here."""
    if url:
        if not url.startswith(("http://", "https://")):
            raise click.UsageError("--url must begin with http:// or https://")
        return url.rstrip("/")
    return local_url(settings.host, settings.port)


def tokens(settings: Settings, token: str | None, subject: str, **grants: Any) -> Callable[[], str]:
    """A function that gives the token for the next request: the one given, else a fresh one each time."""
    if token:
        return lambda: token
    return lambda: minted(settings, subject, **grants)


def minted(settings: Settings, subject: str, **grants: Any) -> str:
    """As `auth.mint`; what cannot be minted is wrong usage."""
    try:
        return mint(settings, subject, **grants)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def names(values: tuple[str, ...]) -> list[str]:
    """The names in an option that may be repeated, and may hold several, parted by commas or spaces."""
    return [name for value in values for name in value.replace(",", " ").split()]


def print_json(document: Any) -> None:
    """One JSON document on one line of stdout, at once, since a pipe may wait for it."""
    click.echo(msgspec.json.encode(document))


def print_line(*parts: object) -> None:
    """Fields on one line of stdout. Control characters are escaped: what others publish must not drive a terminal."""
    click.echo("  ".join(printable(str(part)) for part in parts))


def describe(document: dict[str, Any]) -> tuple[str, ...]:
    """A notification as the fields of a line: time, type, for whom, payload."""
    payload = msgspec.json.encode(document.get("payload", {})).decode()
    topic = document.get("topic")
    to = f"topic:{topic}" if topic is not None else str(document.get("recipient_id", ""))
    return (
        str(document.get("timestamp", "")),
        str(document.get("notification_type", "")),
        to,
        payload,
    )


recipient_argument = click.argument("recipient", required=False)


def recipient_of(recipient: str | None, token: str | None) -> str:
    """The recipient to make a token for. With a token given, that one decides."""
    if recipient is None and token is None:
        raise click.UsageError("name a RECIPIENT, or give a --token")
    return recipient or ""
