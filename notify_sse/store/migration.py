"""Brings a database to the schema of this version.

Runs the Alembic revisions in `migrations/` (`notify_sse.migrations` once installed) on an engine that an adapter hands
over; each adapter opens its own (docs/adr/0004-schema.md). Knows no adapter, and nothing of the log's contents.
"""

import logging
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from notify_sse.errors import SchemaOutdated, StoreUnavailable
from notify_sse.store import schema
from notify_sse.store.schema import SELECT_SCHEMA, VERSION_TABLE, Migrated, Schema, expected_revision, require_usable
from notify_sse.telemetry.redaction import redacted

logger = logging.getLogger(__name__)

NOT_ALLOWED: Final = "42501"
"""SQLSTATE: the user lacks a privilege. SQLite has none."""


async def migrate(engine: AsyncEngine) -> Migrated:
    """Bring the database of `engine` to `expected_revision()`, in one transaction.

    Beginning a transaction on `engine` must wait until nobody else migrates. So any number of processes may call this
    at once: the first migrates, the others find nothing left to do. Cancelled, nothing was changed.

    A newer schema that is compatible with this version stays as it is. Raises `StoreUnavailable` (try again), and
    `SchemaOutdated` when this version cannot work with a newer schema, or the user may not change it.
    """
    try:
        async with engine.begin() as connection:
            found = await connection.run_sync(_schema)
            if found is not None and found.is_newer:
                require_usable(found)
                return Migrated(found.revision, found.revision)
            await connection.run_sync(_upgrade)
    except (OSError, DBAPIError) as exc:
        raise translated(exc) from exc
    migrated = Migrated(found.revision if found else None, expected_revision())
    if migrated.before != migrated.after:
        fields = {"action": "migrate", "before": migrated.before, "after": migrated.after}
        logger.info("migrated the database", extra=fields)
    return migrated


def compatible_from() -> str:
    """The oldest revision whose programs work on `expected_revision()`: what the newest revision that breaks older
    programs says of itself (`compatible_from` in its file), else the first.
    """
    oldest = ""
    for script in ScriptDirectory.from_config(_config()).walk_revisions():  # the newest first
        oldest = script.revision
        if declared := getattr(script.module, "compatible_from", None):
            return str(declared)
    return oldest


def leaves_behind(found: Schema | None) -> bool:
    """Whether `expected_revision()` is a schema that the programs which made `found` cannot start on."""
    if found is None or found.is_newer:
        return False
    known = schema.revisions()
    return known.index(found.revision) < known.index(compatible_from())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(schema.scripts()).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config


def _schema(connection: Connection) -> Schema | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    row = connection.execute(text(SELECT_SCHEMA)).mappings().first()
    return Schema.of(dict(row)) if row else None


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if any(column["name"] == "compatible_from" for column in inspect(connection).get_columns(VERSION_TABLE)):
        statement = text(f"UPDATE {VERSION_TABLE} SET compatible_from = :oldest, compatible_for = version_num")  # noqa: S608
        connection.execute(statement, {"oldest": compatible_from()})


def translated(exc: Exception) -> SchemaOutdated | StoreUnavailable:
    """Our error for one that changing the schema raised."""
    cause: BaseException = (exc.orig or exc) if isinstance(exc, DBAPIError) else exc
    if getattr(cause, "sqlstate", None) == NOT_ALLOWED:
        return SchemaOutdated("this user may not change the schema: run notify-sse migrate with one that may")
    cause = cause.__cause__ or cause  # the driver's own error says more than SQLAlchemy's wrapping of it
    return StoreUnavailable(f"the schema cannot be changed now ({redacted(f'{type(cause).__name__}: {cause}')})")
