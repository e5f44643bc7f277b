"""`notify-sse token`."""

import os
import time
from typing import Final

import click

from notify_sse.auth import ADMIN, PUBLISH, READ
from notify_sse.cli.options import json_option, minted, names, print_json
from notify_sse.config import read_settings

EXAMPLES: Final = """\b
notify-sse token --sub alice
notify-sse token --sub alice --topics billing,outages --ttl 3600
notify-sse token --sub shop --scope notifications:publish
"""


@click.command("token", epilog=EXAMPLES)
@click.option("--sub", "subject", required=True, help="Whom the token is for: the recipient.")
@click.option(
    "--scope", "scopes", multiple=True, help=f"{READ} (when none is given), {PUBLISH} or {ADMIN}; repeatable."
)
@click.option("--topics", "--topic", "topics", multiple=True, help="Topics that it grants; repeatable, or with commas.")
@click.option("--ttl", "ttl_s", type=float, default=300, show_default=True, help="Seconds for which it is valid.")
@json_option
def command(*, subject: str, scopes: tuple[str, ...], topics: tuple[str, ...], ttl_s: float, as_json: bool) -> None:
    """Make a token, signed with NOTIFY_SSE_JWT_SECRET, or with the generated key in development mode."""
    unknown = sorted(set(names(scopes)) - {READ, PUBLISH, ADMIN})
    if unknown:
        raise click.UsageError(f"--scope: there is no scope {unknown[0]}; there are {READ}, {PUBLISH} and {ADMIN}")
    now = time.time()
    token = minted(read_settings(os.environ), subject, scopes=names(scopes), topics=names(topics), ttl_s=ttl_s, now=now)
    if as_json:
        print_json({"token": token, "sub": subject, "expires_at": round(round(now, 3) + ttl_s, 3)})
    else:
        click.echo(token)
