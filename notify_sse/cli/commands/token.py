"""`notify-sse token`."""

import os
import sys
import time
from typing import Final

import click
import uvloop

from notify_sse.auth import ADMIN, PUBLISH, READ
from notify_sse.cli import Failed
from notify_sse.cli.options import json_option, minted, names, print_json, print_line
from notify_sse.config import read_settings
from notify_sse.errors import TokenRefused

EXAMPLES: Final = """\b
notify-sse token --sub alice
notify-sse token --sub alice --topics billing,outages --ttl 3600
notify-sse token --sub shop --scope notifications:publish
notify-sse token --check "$TOKEN"
"""


@click.command("token", epilog=EXAMPLES)
@click.option("--sub", "subject", help="Whom the token is for: the recipient.")
@click.option(
    "--check", "checked", metavar="TOKEN", help="Say what this token grants, or why it is refused; - for stdin."
)
@click.option(
    "--scope", "scopes", multiple=True, help=f"{READ} (when none is given), {PUBLISH} or {ADMIN}; repeatable."
)
@click.option("--topics", "--topic", "topics", multiple=True, help="Topics that it grants; repeatable, or with commas.")
@click.option("--ttl", "ttl_s", type=float, default=300, show_default=True, help="Seconds for which it is valid.")
@json_option
def command(
    *,
    subject: str | None,
    checked: str | None,
    scopes: tuple[str, ...],
    topics: tuple[str, ...],
    ttl_s: float,
    as_json: bool,
) -> None:
    """Make a token, signed with NOTIFY_SSE_JWT_SECRET, or with the generated key in development mode; or check one.

    A token that the service would refuse is exit code 1.
    """
    if (subject is None) == (checked is None):
        raise click.UsageError("give either --sub or --check")
    if checked is not None:
        _check(checked if checked != "-" else sys.stdin.readline(), as_json=as_json)
        return
    assert subject
    unknown = sorted(set(names(scopes)) - {READ, PUBLISH, ADMIN})
    if unknown:
        raise click.UsageError(f"--scope: there is no scope {unknown[0]}; there are {READ}, {PUBLISH} and {ADMIN}")
    now = time.time()
    token = minted(read_settings(os.environ), subject, scopes=names(scopes), topics=names(topics), ttl_s=ttl_s, now=now)
    if as_json:
        print_json({"token": token, "sub": subject, "expires_at": round(round(now, 3) + ttl_s, 3)})
    else:
        click.echo(token)


def _check(token: str, *, as_json: bool) -> None:
    """With the keys and rules of the service, and what is revoked in its database. Nothing of the token is sent."""
    from notify_sse.cli.examination import examined  # noqa: PLC0415  making a token needs no database's library

    try:
        grant, unknown = uvloop.run(examined(read_settings(os.environ), token.strip()))
    except TokenRefused as exc:
        if as_json:
            print_json({"valid": False, "reason": exc.reason, "detail": str(exc)})
        raise Failed(f"the token is refused: {exc.reason} ({exc})") from None
    if unknown:
        click.echo(f"notify-sse: {unknown}", err=True)
    found = {
        "valid": True,
        "sub": grant.subject,
        "scopes": sorted(grant.scopes),
        "topics": sorted(grant.topics),
        "expires_at": grant.expires_at,
    }
    if as_json:
        print_json(found)
    else:
        print_line(
            *(f"{name}={' '.join(value) if isinstance(value, list) else value}" for name, value in found.items())
        )
