"""`notify-sse settings`: the list, the same as JSON, and the page of the documentation made from the code."""

import os
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import click
import msgspec

from notify_sse.cli.options import json_option, print_json
from notify_sse.config import SECRETS, Settings, read_settings, variable


class Described(msgspec.Struct, frozen=True):
    """One setting, as it is documented."""

    field: str
    kind: str
    default: str
    description: str


def described() -> list[Described]:
    """Every setting, in the order of the code."""
    hints = get_type_hints(Settings, include_extras=True)
    return [_described(field, hints[field.name]) for field in msgspec.structs.fields(Settings)]


def _described(field: msgspec.structs.FieldInfo, hint: Any) -> Described:
    assert get_origin(hint) is Annotated
    kind, meta = get_args(hint)
    default = (meta.extra or {}).get("default")
    if default is None:
        default = f"`{_text(field.default)}`" if _text(field.default) else "unset"
    return Described(field.name, _kind(kind, meta), default, meta.description)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _kind(kind: Any, meta: msgspec.Meta) -> str:
    choices = get_args(kind)
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(f"`{choice}`" for choice in choices)
    if kind is bool:
        return "`true` or `false`"
    if get_origin(kind) is tuple:
        return "list"
    if choices and get_origin(choices[0]) is Annotated:  # a number, or unset
        kind, meta = get_args(choices[0])
    if kind not in (int, float):
        return "text"
    bounds = [
        f"{sign} {bound:g}" if isinstance(bound, float) else f"{sign} {bound}"
        for sign, bound in ((">", meta.gt), ("≥", meta.ge), ("≤", meta.le))
        if bound is not None
    ]
    return ", ".join(["whole number" if kind is int else "number", *bounds])


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
    rows = [(one, settings.shown(one.field), _source(one.field)) for one in described()]
    if as_json:
        print_json([_row(one, value, source) for one, value, source in rows])
        return
    for one, value, source in rows:
        click.echo(f"{variable(one.field)}={value}  [{source}]")
        click.echo(f"    {one.description.replace('`', '')} Default: {one.default.replace('`', '')}.")


def _source(field: str) -> str:
    return "environment" if os.environ.get(variable(field)) else "default"


def _row(one: Described, value: str, source: str) -> dict[str, Any]:
    return {
        "name": variable(one.field),
        "value": value,
        "source": source,
        "secret": one.field in SECRETS,
        "default": one.default.replace("`", ""),
        "kind": one.kind.replace("`", ""),
        "description": one.description,
    }
