"""A store to test, by the URL of its database: made as often as a test likes, and looked at behind its back."""

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import asyncpg

from notify_sse.core.erasure import Erasure
from notify_sse.core.journal import Beat, Figures, Holder, Lagging, Opened, Report, ResetTold
from notify_sse.core.model import Event, Notification
from notify_sse.core.ports import Appended, Store
from notify_sse.core.read_state import ReadState
from notify_sse.errors import StoreUnavailable
from notify_sse.store import open_erasure, open_read_state, open_store
from notify_sse.store.postgres import schema as postgres_schema
from notify_sse.store.sqlite import schema as sqlite_schema
from notify_sse.store.sqlite.file import path_of

OUR_CONNECTIONS = "pg_stat_activity WHERE datname = current_database() AND application_name = 'notify-sse'"


class Subject(NamedTuple):
    url: str

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        """A store that is open; closed at the end."""
        store = open_store(self.url)
        try:
            await store.open()
            yield store
        finally:
            await store.close()

    @contextlib.asynccontextmanager
    async def read_state(self) -> AsyncIterator[ReadState]:
        """The read state of the same database; closed at the end."""
        read_state = open_read_state(self.url)
        try:
            yield read_state
        finally:
            await read_state.close()

    @contextlib.asynccontextmanager
    async def erasure(self) -> AsyncIterator[Erasure]:
        """Recall and erasure on the same database; closed at the end."""
        erasure = open_erasure(self.url)
        try:
            yield erasure
        finally:
            await erasure.close()

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement on the database itself, committed at once."""
        if self.url.startswith("sqlite"):
            return await asyncio.to_thread(self._sqlite, statement)
        connection = await asyncpg.connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    def _sqlite(self, statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(path_of(self.url), isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()


async def current_revision(url: str) -> str | None:
    """The schema that the database has."""
    adapter = sqlite_schema if url.startswith("sqlite") else postgres_schema
    found = await adapter.current_schema(url)
    return found.revision if found else None


def notification(
    notification_id: str,
    *,
    channel: str = "recipient:alice",
    kind: str = "new_message",
    text: str = "hello",
    body: bytes | None = None,
    expires_ms: int = 0,
    quiet: bool = False,
) -> Notification:
    """As `parse.parse` would make it; the digest covers `text`, or `body` when that is given."""
    body = body if body is not None else b'{"text":"%s"}' % text.encode()
    return Notification(
        notification_id=notification_id,
        notification_type=kind,
        channel=channel,
        body=body,
        digest=hashlib.blake2b(body, digest_size=16).digest(),
        expires_ms=expires_ms,
        silent=quiet,
    )


def several(prefix: str, count: int, **given: Any) -> list[Notification]:
    return [notification(f"{prefix}-{number}", **given) for number in range(count)]


def ids(events: Sequence[Event]) -> list[int]:
    return [event.id for event in events]


async def whole_log(store: Store) -> list[Event]:
    """Everything that is in the log, read page by page."""
    events: list[Event] = []
    cursor = 0
    while True:
        page = await store.stretch(cursor, limit=500)
        events += page.events
        if page.upto >= page.head.position:
            return events
        cursor = page.upto


async def until_stored(store: Store, batch: Sequence[Notification], *, within_s: float = 15) -> Appended:
    """Append `batch`, again and again while the database is away."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                return await store.append(batch)
            except StoreUnavailable:
                await asyncio.sleep(0.02)


def connection(connection_id: str, *, recipient_id: str = "alice", opened_ms: int = 1000, **given: object) -> Opened:
    fields = {
        "gateway": "g1",
        "transport": "sse",
        "address_hash": "ab",
        "topics": (),
        "filtered": False,
        "epoch": "e",
        "position": 5,
        "resumed_at": 0,
    }
    return Opened(connection_id=connection_id, recipient_id=recipient_id, opened_ms=opened_ms, **fields | given)  # type: ignore[arg-type]


def beat(position: int = 1, *, stopped: bool = False) -> Beat:
    lagging = (Lagging("c1", 3),)
    reset = ResetTold(at_ms=7, recipient_id="älice", connection_id="c1", reason="expired")
    figures = Figures(stored=3, limited={"connects_per_address": 2}, delivered=(0, position))
    return Beat(
        gateway="g1",
        version="1",
        epoch="e",
        position=position,
        lagging=lagging,
        lost=2,
        stopped=stopped,
        streams=position + 5,
        lag=3,
        report=Report(recipients=1, holders=(Holder("älice\0", 2),), resets=(reset,), figures=figures),
    )
