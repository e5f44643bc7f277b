"""Which schema an SQLite file has."""

import aiosqlite

from notify_sse.store.schema import SELECT_SCHEMA, VERSION_TABLE, Schema
from notify_sse.store.sqlite import file


async def current_schema(database_url: str) -> Schema | None:
    """The schema that the file has, None when it is empty or missing. Creates nothing. Raises `StoreUnavailable`."""
    path = file.path_of(database_url)
    return await file.Reader(path, width=1, wait_s=1).run(_schema_of) if path.exists() else None


async def _schema_of(connection: aiosqlite.Connection) -> Schema | None:
    if not await connection.execute_fetchall("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)):
        return None
    async with connection.execute(SELECT_SCHEMA) as cursor:
        columns = [column[0] for column in cursor.description]
        row = await cursor.fetchone()
    return Schema.of(dict(zip(columns, row, strict=True))) if row else None
