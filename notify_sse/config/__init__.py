"""The settings: what they are, how they are read, and which combinations are refused.

They are read once at the start, from the environment and the command's options; everything else is handed a `Settings`.
Only this package knows the names `NOTIFY_SSE_*`. It opens no connection, and reads no file but those with secrets.
"""

from notify_sse.config.checks import is_local_url, is_loopback
from notify_sse.config.described import Effective, described, effective
from notify_sse.config.environ import read_settings
from notify_sse.config.names import COMMAND_VARIABLES, FILE_SUFFIX, IN_FILES, PREFIX, SECRETS, variable
from notify_sse.config.settings import Settings
from notify_sse.telemetry.redaction import redacted_url

__all__ = [
    "COMMAND_VARIABLES",
    "FILE_SUFFIX",
    "IN_FILES",
    "PREFIX",
    "SECRETS",
    "Effective",
    "Settings",
    "described",
    "effective",
    "is_local_url",
    "is_loopback",
    "read_settings",
    "redacted_url",
    "variable",
]
