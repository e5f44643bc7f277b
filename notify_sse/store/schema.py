"""Brings a database to the schema of this version, and says whether it has it.

Runs the Alembic revisions in `migrations/` (`notify_sse.migrations` once installed) on an engine that an adapter hands
over; each adapter opens its own (docs/adr/0004-schema.md). Knows no adapter, and nothing of the log's contents.
"""

import logging
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from notify_sse.errors import SchemaOutdated, StoreUnavailable
from notify_sse.telemetry.redaction import redacted

logger = logging.getLogger(__name__)

VERSION_TABLE: Final = "notify_sse_schema"
"""Not Alembic's default: an application that shares the database may have its own."""
SELECT_REVISION: Final = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608
NOT_ALLOWED: Final = "42501"
"""SQLSTATE: the user lacks a privilege. SQLite has none."""


class Migrated(msgspec.Struct, frozen=True):
    """The revisions that a database had and has; `before` is None when it was empty."""

    before: str | None
    after: str


async def migrate(engine: AsyncEngine) -> Migrated:
    """Bring the database of `engine` to `expected_revision()`, in one transaction.

    Beginning a transaction on `engine` must wait until nobody else migrates. So any number of processes may call this
    at once: the first migrates, the others find nothing left to do. Cancelled, nothing was changed.

    Raises `StoreUnavailable` (try again), and `SchemaOutdated` when a newer version made the schema, or the user may
    not change it.
    """
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(_revision)
            if before is not None:
                _require_known(before)
            await connection.run_sync(_upgrade)
    except (OSError, DBAPIError) as exc:
        raise translated(exc) from exc
    migrated = Migrated(before, expected_revision())
    if migrated.before != migrated.after:
        logger.info("migrated the database", extra={"action": "migrate", "before": before, "after": migrated.after})
    return migrated


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


def _require_known(revision: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision not in known:
        raise SchemaOutdated(
            f"the database has schema {revision}, which a newer notify-sse made: upgrade this one "
            f"(it knows schemas up to {expected_revision()})"
        )


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(SELECT_REVISION)).scalar()
    return revision


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def translated(exc: Exception) -> SchemaOutdated | StoreUnavailable:
    """Our error for one that changing the schema raised."""
    cause: BaseException = (exc.orig or exc) if isinstance(exc, DBAPIError) else exc
    if getattr(cause, "sqlstate", None) == NOT_ALLOWED:
        return SchemaOutdated("this user may not change the schema: run notify-sse migrate with one that may")
    cause = cause.__cause__ or cause  # the driver's own error says more than SQLAlchemy's wrapping of it
    return StoreUnavailable(f"the schema cannot be changed now ({redacted(f'{type(cause).__name__}: {cause}')})")
