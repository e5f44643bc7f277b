"""What a database says of its schema, and whether this version can use it. Making it is `migration`'s.

The revisions are known by their files, without Alembic: a process whose database is up to date never loads it.
"""

import logging
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from notify_sse.errors import SchemaOutdated

logger = logging.getLogger(__name__)

VERSION_TABLE: Final = "notify_sse_schema"
"""Not Alembic's default: an application that shares the database may have its own."""
SELECT_SCHEMA: Final = f"SELECT * FROM {VERSION_TABLE}"  # noqa: S608 - all columns: before 0005 there is only one


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
        return self.revision not in revisions()


def scripts() -> Path:
    """The migrations: inside the installed package, or beside it in a checkout or an editable install.

    Looked for as files, since Alembic runs them as files: so it does not matter how, or whether, the package
    `notify_sse.migrations` can be imported.
    """
    package = Path(str(files("notify_sse")))
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"


def revisions() -> list[str]:
    """Those that this version knows, the oldest first: each one's file is named after it."""
    return sorted(file.name.partition("_")[0] for file in (scripts() / "versions").glob("[0-9]*_*.py"))


def expected_revision() -> str:
    """The newest revision, the one that this version works with."""
    return revisions()[-1]


def require_usable(found: Schema) -> None:
    """Raise `SchemaOutdated`, which says what to do, unless this version can work with `found`: the expected revision,
    or a newer one that says that it is compatible.

    A revision that this version does not know is newer, and what it is compatible with is known or newer too.
    """
    if found.is_newer:
        if found.compatible_from not in revisions():
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
