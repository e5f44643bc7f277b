"""Postgres and SQLite, behind the `Store` port. The database's URL chooses the adapter."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from notify_sse.core.access import AccessRecords
from notify_sse.core.erasure import Erasure
from notify_sse.core.journal import Journal
from notify_sse.core.ports import Finding, Store
from notify_sse.core.read_state import ReadState
from notify_sse.core.rollout import RolloutRecords
from notify_sse.errors import BadConfiguration
from notify_sse.store.postgres import diagnosis as postgres_diagnosis
from notify_sse.store.postgres import schema as postgres_schema
from notify_sse.store.postgres.access import PostgresAccessRecords
from notify_sse.store.postgres.erasure import PostgresErasure
from notify_sse.store.postgres.journal import PostgresJournal
from notify_sse.store.postgres.read_state import PostgresReadState
from notify_sse.store.postgres.rollout import PostgresRolloutRecords
from notify_sse.store.postgres.store import PostgresStore
from notify_sse.store.schema import Migrated, require_usable
from notify_sse.store.sqlite import diagnosis as sqlite_diagnosis
from notify_sse.store.sqlite import schema as sqlite_schema
from notify_sse.store.sqlite.access import SqliteAccessRecords
from notify_sse.store.sqlite.erasure import SqliteErasure
from notify_sse.store.sqlite.journal import SqliteJournal
from notify_sse.store.sqlite.read_state import SqliteReadState
from notify_sse.store.sqlite.rollout import SqliteRolloutRecords
from notify_sse.store.sqlite.store import SqliteStore

__all__ = [
    "Migrated",
    "check_schema",
    "diagnose",
    "has_log",
    "leaves_behind",
    "migrate",
    "open_access_records",
    "open_erasure",
    "open_journal",
    "open_read_state",
    "open_rollout_records",
    "open_store",
]


def open_store(database_url: str, *, replay_connections: int = 8) -> Store:
    """The store for `database_url`; it connects to nothing before its `open()`.

    `postgresql://` (or `postgres://`), or `sqlite:///relative/path`, `sqlite:////absolute/path`. At most
    `replay_connections` pages of replays and histories are read at the same time. Raises `BadConfiguration`.
    """
    kind = PostgresStore if _is_postgres(database_url) else SqliteStore
    return kind(database_url, replay_connections=replay_connections)


def open_rollout_records(database_url: str) -> RolloutRecords:
    """Who gets streams, in the same database. Connects to nothing before its first use, which comes after a
    `Store.open()`. Raises `BadConfiguration`.
    """
    kind = PostgresRolloutRecords if _is_postgres(database_url) else SqliteRolloutRecords
    return kind(database_url)


def open_access_records(database_url: str) -> AccessRecords:
    """The audit log, the revocations and the tickets in the same database. Connects to nothing before its first use,
    which comes after a `Store.open()`. Raises `BadConfiguration`.
    """
    kind = PostgresAccessRecords if _is_postgres(database_url) else SqliteAccessRecords
    return kind(database_url)


def open_erasure(database_url: str) -> Erasure:
    """Recall and erasure for `database_url`. It connects when it is first asked, as the read state."""
    return PostgresErasure(database_url) if _is_postgres(database_url) else SqliteErasure(database_url)


def open_read_state(database_url: str) -> ReadState:
    """The read state for `database_url`. It connects when it is first asked, to a database that a store has opened."""
    return PostgresReadState(database_url) if _is_postgres(database_url) else SqliteReadState(database_url)


def open_journal(database_url: str) -> Journal:
    """The journal in the same database as `open_store`; it connects to nothing before it is used."""
    kind = PostgresJournal if _is_postgres(database_url) else SqliteJournal
    return kind(database_url)


async def migrate(database_url: str) -> Migrated:
    """Bring the database to the schema of this version. Any number of processes may do it at once.

    Raises `StoreUnavailable` (try again), `SchemaOutdated` when a newer version made the schema or the user may not
    change it, `BadConfiguration`. Cancelled, nothing was changed.
    """
    from notify_sse.store.postgres import migration as postgres_migration  # noqa: PLC0415  (Alembic takes long to load)
    from notify_sse.store.sqlite import migration as sqlite_migration  # noqa: PLC0415

    if _is_postgres(database_url):
        return await postgres_migration.migrate(database_url)
    return await sqlite_migration.migrate(database_url)


async def leaves_behind(database_url: str) -> bool:
    """Whether `migrate` would make a schema that the programs of before cannot start on. Changes nothing. No for
    SQLite, which one process has alone. Raises `StoreUnavailable`, `BadConfiguration`.
    """
    from notify_sse.store import migration  # noqa: PLC0415  (Alembic takes long to load)

    return _is_postgres(database_url) and migration.leaves_behind(await postgres_schema.current_schema(database_url))


async def check_schema(database_url: str) -> None:
    """Whether `open` would find a schema that it can use or make. Changes nothing. Raises as `open` does."""
    adapter = postgres_schema if _is_postgres(database_url) else sqlite_schema
    found = await adapter.current_schema(database_url)
    if found is not None and (found.is_newer or _is_postgres(database_url)):
        require_usable(found)


async def has_log(database_url: str) -> bool:
    """Whether there is a log, of whatever version. Makes none. Raises `StoreUnavailable`, `BadConfiguration`."""
    adapter = postgres_schema if _is_postgres(database_url) else sqlite_schema
    return await adapter.current_schema(database_url) is not None


def diagnose(database_url: str) -> AsyncIterator[Finding]:
    """What the database tells `notify-sse doctor`, finding by finding. Changes nothing. Raises `BadConfiguration`."""
    if _is_postgres(database_url):
        return postgres_diagnosis.diagnose(database_url)
    return sqlite_diagnosis.diagnose(database_url)


def _is_postgres(database_url: str) -> bool:
    scheme = urlsplit(database_url).scheme
    if scheme not in ("postgresql", "postgres", "sqlite"):
        raise BadConfiguration(
            f"NOTIFY_SSE_DATABASE_URL: must begin with postgresql:// or sqlite:///, not with {scheme!r}"
        )
    return scheme != "sqlite"
