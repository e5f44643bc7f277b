"""The settings: what they are, what they mean, and which of them cannot stand together.

Read once at the start, from the environment and the command's options; everything else gets a `Settings`. This
is the only place that knows the names `NOTIFY_SSE_*`. Reads no file and opens no connection.
"""

from notify_sse.config.checks import is_loopback
from notify_sse.config.names import COMMAND_VARIABLES, PREFIX, SECRETS, variable
from notify_sse.config.settings import Settings
from notify_sse.telemetry.redaction import redacted_url

__all__ = ["COMMAND_VARIABLES", "PREFIX", "SECRETS", "Settings", "is_loopback", "redacted_url", "variable"]
