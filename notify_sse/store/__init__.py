"""The log's adapters, chosen by the database's URL."""

from urllib.parse import urlsplit

from notify_sse.core.ports import Store
from notify_sse.errors import BadConfiguration
from notify_sse.store.postgres.store import PostgresStore
from notify_sse.store.sqlite.store import SqliteStore


def open_store(database_url: str, *, replay_connections: int = 8) -> Store:
    """The store for `database_url`, connected to nothing until its `open()`.

    `postgresql://` (or `postgres://`), or `sqlite:///relative/path`, `sqlite:////absolute/path`. At most
    `replay_connections` pages of replays and histories are read at the same time. Raises `BadConfiguration`.
    """
    scheme = urlsplit(database_url).scheme
    if scheme in ("postgresql", "postgres"):
        return PostgresStore(database_url, replay_connections=replay_connections)
    if scheme == "sqlite":
        return SqliteStore(database_url, replay_connections=replay_connections)
    raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL must start with postgresql:// or sqlite:///, not with {scheme!r}")
