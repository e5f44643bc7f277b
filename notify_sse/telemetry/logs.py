"""Sets up logging: to stderr, as text for people or JSON for programs, with everything secret taken out.

Called once by the commands before anything is started. Redaction is in the formatter, the last place that every
record passes, whoever made it: our own modules, Hypercorn, aio-pika, a traceback's last line. Each part of a record is
cut first, so that an attacker's text costs little however long it is.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO

import msgspec

from notify_sse.telemetry.labels import worker
from notify_sse.telemetry.printable import printable
from notify_sse.telemetry.redaction import clipped, redacted
from notify_sse.version import __version__

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]

_NOT_EXTRA: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# The first two report each failed attempt to connect as an error; `broker.link` says it once. The last one warns of
# each malformed `tracestate`, which anybody may send.
_SILENT: Final = ("aio_pika", "aiormq", "opentelemetry.trace")
# Libraries that log payloads or every request below WARNING.
_QUIET: Final = (
    "alembic",
    "aiosqlite",
    "asyncio",
    "databases",
    "h11",
    "h2",
    "hpack",  # the headers of each request
    "httpcore",
    "httpx",
    "hypercorn",
    "opentelemetry",
    "sse_starlette",
    "urllib3",  # each export of spans
    "wsproto",
)
MAX_TRACE_LINES: Final = 500


def set_up(*, level: LogLevel, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Write every log record of `level` or above to `stream` (stderr when None), as `log_format` says."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(capture=True)


class TextFormatter(logging.Formatter):
    """`2026-11-22T10:00:00.123Z INFO notify_sse.server.process: started action=start port=8000`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, then the traceback when there is one."""
        fields = "".join(f" {name}={printable(clipped(str(value)))}" for name, value in _extra(record).items())
        message = printable(clipped(record.getMessage()))
        line = f"{_time(record)} {record.levelname} {record.name}: {message}{fields}"
        trace = _trace(self, record)
        return redacted(f"{line}\n{trace}" if trace else line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, who writes it, then the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON, the traceback within it as `exception`."""
        document: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(clipped(record.getMessage())),
            "pid": record.process,
            "worker": worker(),
            "version": __version__,
        }
        for name, value in _extra(record).items():
            document.setdefault(name, _safe(value))
        if trace := _trace(self, record):
            document["exception"] = redacted(trace)
        return msgspec.json.encode(document).decode()


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _NOT_EXTRA}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    lines = "\n".join(part for part in (record.exc_text, stack) if part).splitlines()
    # Of an error that carries its input, as many do, no more than of a field; of a long chain, its end.
    return "\n".join(clipped(line) for line in lines[-MAX_TRACE_LINES:])


def _safe(value: object) -> object:
    """`value` for JSON: numbers as they are, everything else as redacted text."""
    return value if value is None or isinstance(value, bool | int | float) else redacted(clipped(str(value)))
