"""`notify-sse serve`."""

import os
import sys

import click

from notify_sse.config import read_settings
from notify_sse.server.files import raise_file_limit
from notify_sse.telemetry import logs


@click.command("serve")
@click.option("--host", help="Address to listen on.  [NOTIFY_SSE_HOST]")
@click.option("--port", type=int, help="TCP port to listen on; 0 takes any free one.  [NOTIFY_SSE_PORT]")
@click.option("--workers", type=int, help="How many processes.  [NOTIFY_SSE_WORKERS]")
@click.option("--role", type=click.Choice(["all", "gateway", "ingest"]), help="What to do.  [NOTIFY_SSE_ROLE]")
@click.option("--check", is_flag=True, help="Only say whether it could start: settings, keys and the schema.")
def command(*, host: str | None, port: int | None, workers: int | None, role: str | None, check: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C; then drain its streams and end. SIGHUP starts it anew, with the code
    that is installed by then, on the same socket.

    An empty database is set up, an SQLite file also migrated. Without any setting this is the embedded service in
    development mode, on http://127.0.0.1:8000.
    """
    raise_file_limit()
    settings = read_settings(os.environ, host=host, port=port, workers=workers, role=role)
    logs.set_up(level=settings.log_level, log_format=settings.log_format)
    from notify_sse.server import supervisor  # noqa: PLC0415  (after logging is set up: libraries log while they are imported)

    if check:
        supervisor.require_startable(settings)
        return
    sys.exit(supervisor.serve(settings))
