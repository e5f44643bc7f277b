"""The values that the labels of metrics take. None of them ever is, or holds, a recipient, a topic or an id.

A series that begins with its first event hides that event from `increase` and `rate`: so every value that is known
stands in the exposition from the start, with 0.
"""

import os
from typing import Final, Literal, get_args

from notify_sse.core.control import CloseReason, ResetReason
from notify_sse.errors import BadNotification, TokenRefused

Resumed = Literal["warm", "cold", "reset"]
"""How a client that brought a cursor goes on: from the tail, from the log, or with a `reset`."""
Since = Literal["published", "committed"]
Way = Literal["amqp", "http"]

CLOSE_REASONS: Final = (*get_args(CloseReason), "client")
DEAD_LETTER_REASONS: Final = BadNotification.REASONS
OUTCOMES: Final = ("new", "duplicate", "conflict")
QUEUES: Final = ("ingest", "dead")
REFUSED_FOR_LOAD: Final = ("not_ready", "max_streams")
RESET_REASONS: Final = get_args(ResetReason)
RESUMED: Final = get_args(Resumed)
SINCE: Final = get_args(Since)
TOKEN_REASONS: Final = TokenRefused.REASONS
TRANSPORTS: Final = ("sse", "websocket", "poll")
WAYS: Final = get_args(Way)

WORKER: Final = "NOTIFY_SSE_WORKER"
"""The environment variable in which the supervisor gives each worker its number, from 1."""


def worker() -> str:
    """The number of this worker; `0` when this process is the only one."""
    return os.environ.get(WORKER, "0")
