"""Brings a database to the schema of this version, and says whether it has it.

Runs the Alembic revisions in `migrations/` (`notify_sse.migrations` once installed), each database in one transaction
under a lock, so that any number of processes may try at once (docs/adr/0004-schema.md). Knows nothing of the log's
contents.
"""

import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiosqlite
import asyncpg
import msgspec
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import notify_sse
from notify_sse.errors import SchemaOutdated, StoreUnavailable
from notify_sse.store.postgres import pool
from notify_sse.store.sqlite import file
from notify_sse.telemetry.redaction import redacted

logger = logging.getLogger(__name__)

VERSION_TABLE: Final = "notify_sse_schema"
"""Not Alembic's default: an application that shares the database may have its own."""
LOCK: Final = 0x6E6F74696679  # "notify"
LOCK_WAIT_MS: Final = 60_000
MIGRATION_SETTINGS: Final = {"statement_timeout": "0", "lock_timeout": str(LOCK_WAIT_MS)}
NOT_ALLOWED: Final = "42501"


class Migrated(msgspec.Struct, frozen=True):
    """The revisions that a database had and has; `before` is None when it was empty."""

    before: str | None
    after: str


async def migrate(database_url: str) -> Migrated:
    """Bring the database to `expected_revision()`. Safe when several processes do it at once: each waits its turn, and
    finds nothing left to do.

    Raises `StoreUnavailable` (try again), `SchemaOutdated` when the schema is of a newer version, or the user may
    not change it. Cancelled, nothing was changed.
    """
    try:
        async with _locked(database_url) as connection:
            before = await connection.run_sync(_revision)
            if before is not None:
                _require_known(before)
            await connection.run_sync(_upgrade)
    except (OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error) as exc:
        raise _translated(exc) from exc
    migrated = Migrated(before, expected_revision())
    if migrated.before != migrated.after:
        logger.info("migrated the database", extra={"action": "migrate", "before": before, "after": migrated.after})
    return migrated


async def current_revision(database_url: str) -> str | None:
    """The revision that the database has, None when it is empty. Creates nothing. Raises `StoreUnavailable`."""
    if _is_sqlite(database_url):
        path = file.path_of(database_url)
        return await file.Reader(path, width=1, wait_s=1).run(sqlite_revision) if path.exists() else None
    reads = pool.PostgresPool(database_url, size=1, wait_s=1)
    try:
        return await reads.run(postgres_revision)
    finally:
        await reads.close()


def expected_revision() -> str:
    """The newest revision, the one that this version works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "there is always a first revision"
    return head


def require_expected(revision: str) -> None:
    """Raise `SchemaOutdated`, which says what to do, unless `revision` is the expected one."""
    _require_known(revision)
    if revision != expected_revision():
        raise SchemaOutdated(
            f"the database has schema {revision}, this version needs {expected_revision()}: run notify-sse migrate"
        )


async def postgres_revision(connection: asyncpg.Connection) -> str | None:
    """`current_revision` on a connection that is open."""
    if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
        return None
    revision: str | None = await connection.fetchval(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return revision


async def sqlite_revision(connection: aiosqlite.Connection) -> str | None:
    """`current_revision` on a connection that is open."""
    if not await connection.execute_fetchall("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)):
        return None
    rows = await connection.execute_fetchall(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    return next((str(row[0]) for row in rows), None)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config


def _scripts() -> Path:
    """The migrations: inside the installed package, or beside it in a checkout or an editable install.

    Looked for as files, since Alembic runs them as files: so it does not matter how, or whether, the package
    `notify_sse.migrations` can be imported.
    """
    package = Path(notify_sse.__file__).parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def _require_known(revision: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision not in known:
        raise SchemaOutdated(
            f"the database has schema {revision}, which a newer notify-sse made: upgrade this one "
            f"(it knows schemas up to {expected_revision()})"
        )


@contextlib.asynccontextmanager
async def _locked(database_url: str) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that nobody else migrates beside; committed at the end."""
    engine = _sqlite_engine(database_url) if _is_sqlite(database_url) else _postgres_engine(database_url)
    try:
        async with engine.begin() as connection:
            if not _is_sqlite(database_url):
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection
    finally:
        await engine.dispose()


def _postgres_engine(database_url: str) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        return await pool.connect(database_url, settings=MIGRATION_SETTINGS, command_timeout_s=None)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


def _sqlite_engine(database_url: str) -> AsyncEngine:
    path = file.path_of(database_url)
    file.create(path)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": LOCK_WAIT_MS / 1000},
        poolclass=NullPool,
    )
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def _is_sqlite(database_url: str) -> bool:
    return database_url.startswith("sqlite:")


def _begin_immediate(connection: Connection) -> None:
    """SQLite's default BEGIN takes the write lock too late: two processes would both find an empty database."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return revision


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _translated(exc: Exception) -> Exception:
    cause: Any = exc.orig if isinstance(exc, DBAPIError) else exc
    if isinstance(cause.__cause__, asyncpg.PostgresError):
        cause = cause.__cause__  # SQLAlchemy's wrapping says less
    if getattr(cause, "sqlstate", None) == NOT_ALLOWED:
        return SchemaOutdated("this user may not change the schema: run notify-sse migrate with one that may")
    return StoreUnavailable(f"the schema cannot be changed now ({redacted(f'{type(cause).__name__}: {cause}')})")
