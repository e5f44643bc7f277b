"""The schema in Postgres: which revision a database has, and the engine on which it is migrated."""

from typing import Final

import asyncpg
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notify_sse.store import schema
from notify_sse.store.postgres import pool
from notify_sse.store.schema import SELECT_REVISION, VERSION_TABLE, Migrated

LOCK: Final = 0x6E6F74696679  # "notify"
LOCK_WAIT_MS: Final = 60_000
MIGRATION_SETTINGS: Final = {"statement_timeout": "0", "lock_timeout": str(LOCK_WAIT_MS)}


async def migrate(database_url: str) -> Migrated:
    """See `schema.migrate`. Whoever migrates holds an advisory lock until the transaction ends."""
    engine = _engine(database_url)
    try:
        return await schema.migrate(engine)
    finally:
        await engine.dispose()


async def current_revision(database_url: str) -> str | None:
    """The revision that the database has, None when it is empty. Creates nothing. Raises `StoreUnavailable`."""
    reads = pool.PostgresPool(database_url, size=1, wait_s=1)
    try:
        return await reads.run(revision_of)
    finally:
        await reads.close()


async def revision_of(connection: asyncpg.Connection) -> str | None:
    """As `current_revision`, on an open connection."""
    if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
        return None
    revision: str | None = await connection.fetchval(SELECT_REVISION)
    return revision


def _engine(database_url: str) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        try:
            return await pool.connect(database_url, settings=MIGRATION_SETTINGS, command_timeout_s=None)
        except pool.FOREIGN as exc:
            raise pool.translated(exc) from exc

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    event.listen(engine.sync_engine, "begin", _lock)
    return engine


def _lock(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
