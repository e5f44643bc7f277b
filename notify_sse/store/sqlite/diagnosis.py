"""What a SQLite file tells `notify-sse doctor`: its schema, the log, the gateways, and how large it is."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from notify_sse.core.ports import Finding
from notify_sse.store.diagnosis import examine
from notify_sse.store.sqlite import file
from notify_sse.store.sqlite.journal import SqliteJournal
from notify_sse.store.sqlite.schema import current_schema
from notify_sse.store.sqlite.store import SqliteStore

MIB: Final = 1024 * 1024


async def diagnose(database_url: str) -> AsyncIterator[Finding]:
    """See `core.ports.Finding`."""
    async for finding in examine(
        database_url, store=SqliteStore, journal=SqliteJournal, current_schema=current_schema, migrates_itself=True
    ):
        yield finding
    size = await asyncio.to_thread(_size, file.path_of(database_url))
    if size:
        yield Finding("size", "ok", f"{size / MIB:.1f} MiB on disk")


def _size(path: Path) -> int:
    """Of the file and what SQLite keeps beside it; 0 when it is not there."""
    parts = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return sum(part.stat().st_size for part in parts if part.exists())
