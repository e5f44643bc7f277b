"""`notify-sse settings`: the list, the same as JSON, and the page of the documentation made from the code."""

import os
from typing import Final

import click

from notify_sse.cli.options import json_option, print_json
from notify_sse.config import FILE_SUFFIX, IN_FILES, described, effective, read_settings, variable

TRACING: Final = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where a collector takes OTLP over HTTP, such as `http://collector:4318`. Asks for "
    "traces. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is the whole URL, and wins.",
    "OTEL_TRACES_EXPORTER": "`otlp`, `console` (stderr), both, or `none`, which switches traces off.",
    "OTEL_SDK_DISABLED": "`true` switches traces off.",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "`http/protobuf`; another one stops the start.",
    "OTEL_TRACES_SAMPLER": "Which traces are recorded; default `parentbased_always_on`: what the publisher records, "
    "and all that begins here. With `parentbased_traceidratio`, `OTEL_TRACES_SAMPLER_ARG` is the share of these.",
    "OTEL_SERVICE_NAME": "Default `notify-sse`. `OTEL_RESOURCE_ATTRIBUTES` adds to what names the process.",
}
"""The variables of OpenTelemetry that say the most, for the page."""


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
        "Blanks around a value are left out, but for secrets; a value that is nothing but blanks is refused. Numbers",
        "have no unit and no sign, whole ones digits only; `true` and `false` also come as `1` and `0`, in any case.",
        "In a list, what is empty or there twice counts for nothing.",
        "",
        "| variable | default | kind | what it is |",
        "|---|---|---|---|",
        *(f"| `{variable(one.field)}` | {one.default} | {one.kind} | {one.description} |" for one in described()),
        "",
        "## Secrets in files",
        "",
        "In place of a variable that is secret, or that may hold a password, a variable of its name and `_FILE` may",
        "name a file with the value, as Docker, Kubernetes and systemd give secrets:",
        f"{_in_files()}. One line end at the end is not",
        "a part of the value. It is read when a command starts, and again at SIGHUP.",
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
        "## Traces",
        "",
        "OpenTelemetry's own variables, for [spans](../how-to/tracing.md). Without them nothing is traced.",
        "",
        "| variable | what it is |",
        "|---|---|",
        *(f"| `{name}` | {meaning} |" for name, meaning in TRACING.items()),
        "",
        "The SDK reads its other variables too (`OTEL_EXPORTER_OTLP_HEADERS`, `…_CERTIFICATE`, `…_TIMEOUT`,",
        "`OTEL_BSP_…`, `OTEL_SPAN_…`). `OTEL_PROPAGATORS` says nothing here: it is always W3C Trace Context.",
        "",
        "## For the commands only",
        "",
        "`NOTIFY_SSE_URL` and `NOTIFY_SSE_TOKEN` are the `--url` and `--token` of `publish`, `tail` and `history`.",
        "Names that start with `NOTIFY_SSE_TEST_` are left to the tests.",
        "",
    ]
    return "\n".join(lines)


def _in_files() -> str:
    *names, last = [f"`{variable(one.field)}{FILE_SUFFIX}`" for one in described() if one.field in IN_FILES]
    return f"{', '.join(names)} and {last}"


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
