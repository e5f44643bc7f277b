"""Migrates an SQLite file: makes it, and the engine with its lock."""

from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notify_sse.store import migration
from notify_sse.store.schema import Migrated
from notify_sse.store.sqlite import file

LOCK_WAIT_S: Final = 60.0


async def migrate(database_url: str) -> Migrated:
    """See `migration.migrate`. Makes the file when it is not there; whoever migrates holds SQLite's write lock.

    Raises `BadConfiguration` too, for a place where no database can be.
    """
    path = file.path_of(database_url)
    try:
        file.create(path)
    except file.FOREIGN as exc:
        raise file.translated(exc) from exc
    engine = _engine(path)
    try:
        return await migration.migrate(engine)
    finally:
        await engine.dispose()


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
