"""Brings a database to the schema of this version, and says whether it has it.

Runs the Alembic revisions in `migrations/` (`notify_sse.migrations` once installed) on an engine that an adapter hands
over; each adapter opens its own (docs/adr/0004-schema.md). Knows no adapter, and nothing of the log's contents.
"""

import logging
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from notify_sse.errors import SchemaOutdated, StoreUnavailable
from notify_sse.telemetry.redaction import redacted

logger = logging.getLogger(__name__)

VERSION_TABLE: Final = "notify_sse_schema"
"""Not Alembic's default: an application that shares the database may have its own."""
SELECT_SCHEMA: Final = f"SELECT * FROM {VERSION_TABLE}"  # noqa: S608 - all columns: before 0005 there is only one
NOT_ALLOWED: Final = "42501"
"""SQLSTATE: the user lacks a privilege. SQLite has none."""


class Migrated(msgspec.Struct, frozen=True):
    """The revisions that a database had and has; `before` is None when it was empty."""

    before: str | None
    after: str


class Schema(msgspec.Struct, frozen=True):
    """What a database says of its schema: its `revision`, and the oldest revision whose programs work on it as well.
    `compatible_from` is None where it is not told (before revision 0005).
    """

    revision: str
    compatible_from: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """The one row of the version table, by its columns. What was said of another revision counts for nothing."""
        told = row.get("compatible_for") == row["version_num"]
        return cls(row["version_num"], row["compatible_from"] if told else None)

    @property
    def is_newer(self) -> bool:
        """Whether a version after this one made it."""
        return self.revision not in _known()


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


def expected_revision() -> str:
    """The newest revision, the one that this version works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "there is always a first revision"
    return head


def require_usable(found: Schema) -> None:
    """Raise `SchemaOutdated`, which says what to do, unless this version can work with `found`: the expected revision,
    or a newer one that says that it is compatible.

    A revision that this version does not know is newer, and what it is compatible with is known or newer too.
    """
    if found.is_newer:
        if found.compatible_from not in _known():
            raise SchemaOutdated(
                f"the database has schema {found.revision}, which a newer notify-sse made: upgrade this one "
                f"(it knows schemas up to {expected_revision()})"
            )
        logger.info(
            "the database has a newer schema, which this version can use",
            extra={"action": "open", "schema": found.revision, "compatible_from": found.compatible_from},
        )
    elif found.revision != expected_revision():
        raise SchemaOutdated(
            f"the database has schema {found.revision}, this version needs {expected_revision()}: "
            "run notify-sse migrate"
        )


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
    package = Path(str(files("notify_sse")))
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


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
    newest_first = [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]
    return newest_first.index(found.revision) > newest_first.index(compatible_from())


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


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
