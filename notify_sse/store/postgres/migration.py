"""Migrates a Postgres database: the engine, its lock, and the indexes that are built beforehand."""

import asyncio
from typing import Final
from uuid import uuid4

import asyncpg
import msgspec
from sqlalchemy import Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notify_sse.errors import BadConfiguration, StoreUnavailable
from notify_sse.store import migration
from notify_sse.store.postgres import pool
from notify_sse.store.postgres.schema import schema_of
from notify_sse.store.schema import Migrated

LOCK: Final = 0x6E6F74696679  # "notify"
LOCK_WAIT_MS: Final = 60_000
LOCK_NOT_AVAILABLE: Final = "55P03"
"""SQLSTATE: a lock was not to be had within lock_timeout."""
LOCKED_OUT_ATTEMPTS: Final = 20
LOCKED_OUT_PAUSE_S: Final = 1.0
BUILD_LOCK: Final = LOCK + 1
BUILD_LOOK_S: Final = 0.2
BUILD_SETTINGS: Final = {"statement_timeout": "0", "lock_timeout": "0"}
"""Building an index beside the work keeps nobody waiting, so it may wait for others as long as it takes."""
INDEX_VALID: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
MIGRATION_SETTINGS: Final = {"statement_timeout": "0", "lock_timeout": str(LOCK_WAIT_MS)}


class Index(msgspec.Struct, frozen=True):
    """An index of the log that a revision adds. Built before that runs: it takes as long as the log is large."""

    name: str
    statement: str
    ends_with: str
    """The revision that has it no more, or by another name."""


INDEXES: Final = (
    Index(
        "log_identity",
        "CREATE UNIQUE INDEX CONCURRENTLY log_identity ON log (channel, notification_id)",
        ends_with="0008",
    ),
    Index(
        "log_by_notification_id",
        "CREATE INDEX CONCURRENTLY log_by_notification_id ON log USING hash (notification_id)",
        ends_with="0008",
    ),
    Index(
        "log_identity_by_id",
        "CREATE UNIQUE INDEX CONCURRENTLY log_identity_by_id ON log (notification_id, channel)",
        ends_with="0008",
    ),
)


async def migrate(database_url: str) -> Migrated:
    """See `migration.migrate`. Whoever migrates holds an advisory lock until the transaction ends."""
    await _build_indexes(database_url)
    engine = _engine(database_url)
    try:
        for _ in range(LOCKED_OUT_ATTEMPTS - 1):
            try:
                return await migration.migrate(engine)
            except StoreUnavailable as exc:
                # A long reader (a backup) holds the table. Everybody else would have to wait behind us: give way.
                if not _locked_out(exc):
                    raise
            await asyncio.sleep(LOCKED_OUT_PAUSE_S)
        return await migration.migrate(engine)
    finally:
        await engine.dispose()


def _locked_out(exc: StoreUnavailable) -> bool:
    return getattr(getattr(exc.__cause__, "orig", None), "sqlstate", None) == LOCK_NOT_AVAILABLE


async def _build_indexes(database_url: str) -> None:
    """Build the indexes of later revisions on a log that has none of them, while others go on writing to it.

    CONCURRENTLY works in no transaction, and waits for every statement that began before it. So whoever waits for their
    turn asks again and again: one that waited in a statement would be waited for by the one that builds.
    """
    missing, pooled = await _missing_indexes(database_url)
    if not missing:
        return
    if pooled:
        raise BadConfiguration(
            "NOTIFY_SSE_DATABASE_URL leads through a connection pooler, where no index can be built beside the work: "
            "run notify-sse migrate with the URL of Postgres itself"
        )
    try:
        connection = await pool.connect(database_url, settings=BUILD_SETTINGS, command_timeout_s=None)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", BUILD_LOCK):  # noqa: ASYNC110
                await asyncio.sleep(BUILD_LOOK_S)
            for index in missing:
                valid = await connection.fetchval(INDEX_VALID, index.name)
                if valid is False:  # somebody's attempt was cut off
                    await connection.execute(f"DROP INDEX CONCURRENTLY {index.name}")
                if not valid:
                    await connection.execute(index.statement)
        finally:
            await connection.close()
    except pool.FOREIGN as exc:
        raise migration.translated(exc) from exc


async def _missing_indexes(database_url: str) -> tuple[list[Index], bool]:
    """Those that a log lacks which is there; and whether a connection pooler stands before it."""

    async def look(connection: asyncpg.Connection) -> list[Index]:
        found = await schema_of(connection)
        if found is None or found.is_newer:
            return []
        wanted = [index for index in INDEXES if found.revision < index.ends_with]
        return [index for index in wanted if not await connection.fetchval(INDEX_VALID, index.name)]

    reads = pool.PostgresPool(database_url, size=1, wait_s=1)
    try:
        return await reads.run(look), reads.pooled
    finally:
        await reads.close()


def _engine(database_url: str) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        try:
            connection, _ = await pool.reach(database_url, settings=MIGRATION_SETTINGS, command_timeout_s=None)
        except pool.FOREIGN as exc:
            raise pool.translated(exc) from exc
        return connection

    # Behind a pooler, a prepared statement must be found by its name in this transaction only.
    engine = create_async_engine(
        "postgresql+asyncpg://?prepared_statement_cache_size=0",
        async_creator=connect,
        poolclass=NullPool,
        connect_args={"prepared_statement_name_func": lambda: f"notify_sse_{uuid4().hex}"},
    )
    event.listen(engine.sync_engine, "begin", _lock)
    return engine


def _lock(connection: Connection) -> None:
    for name, value in MIGRATION_SETTINGS.items():  # where they were no start-up parameters
        connection.exec_driver_sql(f"SET LOCAL {name} = {value}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
