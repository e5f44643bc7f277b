"""`notify-sse settings`: the list, the same as JSON, and the page of the documentation made from the code."""

import os

import click

from notify_sse.cli.options import json_option, print_json
from notify_sse.config import described, effective, read_settings, variable


def markdown() -> str:
    """docs/reference/settings.md."""
    lines = [
        "# Settings",
        "",
        "<!-- Made by `notify-sse settings --markdown`. A test compares it with the code. -->",
        "",
        "Read from the environment when a command starts. An empty variable counts as unset. A wrong one, or a name",
        "that starts with `NOTIFY_SSE_` and is none of these, stops the command with one line that names it (exit",
        "code 78). `notify-sse settings` shows the values in effect and where they come from, with secrets hidden.",
        "",
        "| variable | default | kind | what it is |",
        "|---|---|---|---|",
        *(f"| `{variable(one.field)}` | {one.default} | {one.kind} | {one.description} |" for one in described()),
        "",
        "## Which do not go together",
        "",
        "- At most one of `NOTIFY_SSE_JWT_SECRET`, `NOTIFY_SSE_JWT_PUBLIC_KEY` and `NOTIFY_SSE_JWKS_URL`: each token",
        "  has one way to be good. With a public key the service verifies tokens, and cannot make them.",
        "- With none of them the service runs in **development mode**: a key is generated and kept in",
        "  `NOTIFY_SSE_STATE_DIR`, the demo page is served, and `NOTIFY_SSE_HOST` must be a loopback address.",
        "- SQLite and `memory://` belong to one process: more than one of `NOTIFY_SSE_WORKERS`, or a `NOTIFY_SSE_ROLE`",
        "  other than `all`, needs Postgres and RabbitMQ.",
        "",
        "## For the commands only",
        "",
        "`NOTIFY_SSE_URL` and `NOTIFY_SSE_TOKEN` are the `--url` and `--token` of `publish`, `tail` and `history`.",
        "Names that start with `NOTIFY_SSE_TEST_` are left to the tests.",
        "",
    ]
    return "\n".join(lines)


@click.command("settings")
@json_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the page of the documentation.")
def command(*, as_json: bool, as_markdown: bool) -> None:
    """List every setting: its value now, where that comes from, its default, and what it is. Secrets are hidden."""
    if as_markdown:
        click.echo(markdown(), nl=False)
        return
    settings = read_settings(os.environ)
    shown = effective(settings, os.environ)
    if as_json:
        print_json(shown)
        return
    for one in shown:
        click.echo(f"{one.name}={one.value}  [{one.source}]")
        click.echo(f"    {one.description.replace('`', '')} Default: {one.default}.")
