"""What a SQLite file tells `notify-sse doctor`: its schema and the log."""

from collections.abc import AsyncIterator

from notify_sse.core.ports import Finding
from notify_sse.store.diagnosis import examine
from notify_sse.store.sqlite.schema import current_schema
from notify_sse.store.sqlite.store import SqliteStore


def diagnose(database_url: str) -> AsyncIterator[Finding]:
    """See `core.ports.Finding`."""
    return examine(database_url, store=SqliteStore, current_schema=current_schema, migrates_itself=True)
