"""The log in Postgres.

Appends, repairs of the tail, and replays each have their own connections, so that none keeps another waiting. Each
operation is one autocommitted statement: it takes one round trip, it reads one snapshot, and a process that freezes
holds no lock. `pool` has the connections and the errors, `schema` and `migration` the schema.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from typing import Any, Final

import asyncpg
from msgspec import structs

from notify_sse.core.model import Event, Notification
from notify_sse.core.ports import STRETCH_BYTES, Appended, Head, Page
from notify_sse.errors import StoreUnavailable
from notify_sse.store import page
from notify_sse.store.batch import Place, firsts, identity, outcome, sought_text, stored_text
from notify_sse.store.postgres import grants, schema
from notify_sse.store.postgres.pool import PostgresPool
from notify_sse.store.schema import require_usable

logger = logging.getLogger(__name__)

APPEND_CONNECTIONS: Final = 2
READ_CONNECTIONS: Final = 2
WAIT_S: Final = 10.0
REPLAY_WAIT_S: Final = 30.0
RACES: Final = 3
NEW_EPOCH: Final = "UPDATE log_head SET epoch = $1 WHERE one AND epoch = coalesce($2, epoch)"
APPEND: Final = "SELECT * FROM log_append($1, $2, $3, $4, $5, $6, $7)"


class _IdsTaken(ValueError):
    """A row of the log had an id, or a notification_id, that the batch would get."""


class PostgresStore:
    """The `Store` on Postgres 12 or later. `replay_connections` bounds the pages that are read at the same time."""

    def __init__(self, database_url: str, *, replay_connections: int = 8) -> None:
        self._url = database_url
        self._writes = PostgresPool(database_url, size=APPEND_CONNECTIONS, wait_s=WAIT_S)
        self._reads = PostgresPool(database_url, size=READ_CONNECTIONS, wait_s=WAIT_S)
        self._replays = PostgresPool(database_url, size=replay_connections, wait_s=REPLAY_WAIT_S)
        sql = resources.files("notify_sse.store.postgres") / "sql"
        self._head, self._stretch, self._newest, self._ascending, self._descending = (
            (sql / f"{name}.sql").read_text("utf-8")
            for name in ("head", "stretch", "newest", "ascending", "descending")
        )
        self._ascending_typed, self._descending_typed = (
            (sql / f"{name}_typed.sql").read_text("utf-8") for name in ("ascending", "descending")
        )

    async def open(self) -> None:
        for pool in (self._writes, self._reads, self._replays):
            pool.open()
        await self._check_grants()
        found = await self._reads.run(schema.schema_of)
        if found is None:
            from notify_sse.store.postgres import migration  # noqa: PLC0415  (Alembic takes long to load)

            await migration.migrate(self._url)
        else:
            require_usable(found)

    async def _check_grants(self) -> None:
        """Say at once and in one message what the user may not do. It would show piece by piece otherwise, or never."""
        lacking = await self._reads.run(grants.missing)
        if not lacking:
            return
        statements = await self._reads.run(grants.statements)
        advice = f"the database user lacks privileges; as the owner of the tables run: {statements}"
        if any("SELECT" in privileges for privileges in lacking.values()):
            raise StoreUnavailable("the log cannot be read", advice=advice)
        logger.error("%s", advice, extra={"action": "open"})

    async def close(self) -> None:
        await asyncio.gather(self._replays.close(), self._reads.close(), self._writes.close())

    async def append(self, batch: Sequence[Notification]) -> Appended:
        new = firsts(batch)

        row = await self._appended(_columns(new))
        seen = {
            identity(new[place - 1]): Place(found, digest)
            for place, found, digest in zip(
                row["seen_places"] or (), row["seen_ids"] or (), row["seen_digests"] or (), strict=True
            )
        }
        return outcome(batch, epoch=row["log_epoch"], position=row["log_position"], seen=seen)

    async def _appended(self, columns: tuple[list[Any], ...]) -> Any:
        async def work(connection: asyncpg.Connection) -> Any:
            try:
                return await connection.fetchrow(APPEND, *columns)
            except asyncpg.UniqueViolationError as exc:
                raise _IdsTaken from exc

        for _ in range(RACES):
            # Another program wrote these ids without taking the head's lock. The next attempt sees its rows as
            # duplicates; when it still fails, the ids themselves are taken.
            with suppress(_IdsTaken):
                return await self._writes.run(work)
        raise StoreUnavailable("the log was written to by something else: its ids go beyond its head")

    async def head(self) -> Head:
        rows = await self._reads.run(lambda connection: connection.fetch(self._head))
        return _head(rows)

    async def stretch(self, after: int, *, limit: int) -> Page:
        rows = await self._reads.run(
            lambda connection: connection.fetch(self._stretch, page.bounded(after, default=0), limit, STRETCH_BYTES)
        )
        times = tuple(row[-1] for row in rows if row[-1] is not None)
        events = _events([row[:-1] for row in rows])
        return structs.replace(page.stretch(events, _head(rows), limit=limit), committed_ms=times)

    async def newest(self, *, max_events: int, max_bytes: int, before: int | None = None) -> Page:
        values = (max_events, max_bytes, page.bounded(before, default=page.MAX_ID))
        rows = await self._reads.run(lambda connection: connection.fetch(self._newest, *values))
        return page.newest(_events(rows), _head(rows), before=before)

    async def after(self, cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        return await self.history(channels, after=cursor, before=None, limit=limit)

    async def history(
        self,
        channels: Sequence[str],
        *,
        after: int | None,
        before: int | None,
        types: Sequence[str] = (),
        descending: bool = False,
        limit: int,
    ) -> Page:
        asked = list(dict.fromkeys(channels))
        bounds = (page.bounded(after, default=0), page.bounded(before, default=page.MAX_ID))
        values = ([sought_text(channel) for channel in asked], *bounds)
        looked_to = None
        if types:
            select = self._descending_typed if descending else self._ascending_typed
            rows = await self._replays.run(
                lambda connection: connection.fetch(select, *values, list(types), limit, page.LOOKED_AT)
            )
            looked_to = rows[0][8] if rows else None
        else:
            select = self._descending if descending else self._ascending
            rows = await self._replays.run(lambda connection: connection.fetch(select, *values, None, limit))
        events, head = _events_of(rows, asked, columns=3 if types else 5), _head(rows)
        if descending:
            return page.descending(events, head, limit=limit, after=after, looked_to=looked_to)
        return page.ascending(events, head, limit=limit, before=before, looked_to=looked_to)

    async def expire(self, *, retention_s: float, limit: int) -> int:
        removed = await self._writes.run(
            lambda connection: connection.fetchval("SELECT log_expire($1, $2)", page.retention_ms(retention_s), limit)
        )
        return int(removed)

    async def new_epoch(self, *, instead_of: str | None = None) -> str:
        epoch = secrets.token_hex(5)
        await self._writes.run(lambda connection: connection.execute(NEW_EPOCH, epoch, instead_of))
        return epoch if instead_of is None else (await self.head()).epoch


def _columns(batch: Sequence[Notification]) -> tuple[list[Any], ...]:
    return (
        [stored_text(one.notification_id) for one in batch],
        [stored_text(one.channel) for one in batch],
        [one.notification_type for one in batch],
        [one.body for one in batch],
        [one.digest for one in batch],
        [one.expires_ms for one in batch],
        [one.silent for one in batch],
    )


def _head(rows: Sequence[Any]) -> Head:
    """The head that every row repeats."""
    if not rows:
        raise StoreUnavailable("the log has no head: the database was emptied")
    epoch, position, floor = rows[0][:3]
    return Head(epoch, position, floor)


def _events(rows: Sequence[Any]) -> tuple[Event, ...]:
    return tuple(
        Event(place, channel.decode(), *columns) for _, _, _, place, channel, *columns in rows if place is not None
    )


def _events_of(rows: Sequence[Any], channels: Sequence[str], *, columns: int) -> tuple[Event, ...]:
    return tuple(
        Event(place, channels[channel - 1], *values[:columns])
        for _, _, _, place, channel, *values in rows
        if place is not None
    )
