"""The schema in SQLite: which revision a file has, and the engine on which it is migrated."""

from pathlib import Path
from typing import Final

import aiosqlite
from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notify_sse.store import schema
from notify_sse.store.schema import SELECT_SCHEMA, VERSION_TABLE, Migrated, Schema
from notify_sse.store.sqlite import file

LOCK_WAIT_S: Final = 60.0


async def migrate(database_url: str) -> Migrated:
    """See `schema.migrate`. Makes the file when it is not there; whoever migrates holds SQLite's write lock.

    Raises `BadConfiguration` too, for a place where no database can be.
    """
    path = file.path_of(database_url)
    try:
        file.create(path)
    except file.FOREIGN as exc:
        raise file.translated(exc) from exc
    engine = _engine(path)
    try:
        return await schema.migrate(engine)
    finally:
        await engine.dispose()


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


def _engine(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": LOCK_WAIT_S},
        poolclass=NullPool,
    )
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def _begin_immediate(connection: Connection) -> None:
    """SQLite's default BEGIN takes the write lock too late: two processes would both find an empty database."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
