"""Keeps aiormq from telling of lost connections: the link does, once. For connections of ours only.

An application that publishes with our `Publisher` has its own logging, and may use aiormq itself. Tasks inherit their
context, so whatever aiormq logs for one of our connections is known by a context variable.
"""

import logging
from contextvars import ContextVar
from typing import Final

LOGGERS: Final = ("aiormq", "aiormq.connection", "aiormq.connection.marshall", "aiormq.channel", "aio_pika")
_OURS: Final = ContextVar("notify_sse_link", default=False)


def tell_nothing_of_this_task() -> None:
    """From now on, what aiormq logs in this task, and in those that it starts, is left out. Idempotent."""
    _OURS.set(True)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)


def _not_ours(record: logging.LogRecord) -> bool:
    return not _OURS.get() or record.levelno < logging.INFO
