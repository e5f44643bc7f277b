"""The log in a SQLite file: the embedded default, for one serving process.

Other processes (the commands) may read it, and even append, at the same time. SQLite has one write lock, taken before
the head is read, so commit order is the order of ids here as well. `file` has the connections and the errors.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import aiosqlite
from msgspec import structs

from notify_sse.core.model import Event, Notification
from notify_sse.core.ports import STRETCH_BYTES, Appended, Head, Page
from notify_sse.errors import StoreUnavailable
from notify_sse.store import page
from notify_sse.store.batch import Identity, Place, firsts, identity, outcome, sought_text, stored_text
from notify_sse.store.schema import expected_revision, require_usable
from notify_sse.store.sqlite import file, schema

READS: Final = 2
WAIT_S: Final = 10.0
REPLAY_WAIT_S: Final = 30.0
LOOKUP_IDS: Final = 400
"""Of a batch at a time: SQLite bounds the parameters of a statement."""

HEAD: Final = "SELECT epoch, position, floor FROM log_head"
SEEN: Final = """
    SELECT log.channel, log.notification_id, log.id, log.digest
      FROM (VALUES {}) AS given CROSS JOIN log INDEXED BY log_identity
        ON log.channel = given.column1 AND log.notification_id = given.column2
"""
INSERT: Final = """
    INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, silent, created_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
"""
NEW_EPOCH: Final = "UPDATE log_head SET epoch = ? WHERE epoch = coalesce(?, epoch)"
ADVANCE: Final = "UPDATE log_head SET position = ?"
STRETCH: Final = """
    SELECT id, channel, type, body, expires_ms, silent, erases, created_ms FROM (
        SELECT *, sum(length(body)) OVER (ORDER BY id) - length(body) AS bytes_before
          FROM (SELECT id, channel, type, body, expires_ms, silent, erases, created_ms FROM log
                 WHERE id > ? ORDER BY id LIMIT ?)
    ) WHERE bytes_before < ? ORDER BY id
"""
NEWEST: Final = """
    SELECT id, channel, type, body, expires_ms, silent, erases FROM (
        SELECT *, sum(length(body)) OVER (ORDER BY id DESC) AS bytes, max(id) OVER () AS last
          FROM (SELECT id, channel, type, body, expires_ms, silent, erases FROM log
                 WHERE id < ? ORDER BY id DESC LIMIT ?)
    ) WHERE bytes <= ? OR id = last ORDER BY id
"""
ASCENDING: Final = """
    SELECT id, type, body, expires_ms, silent, erases FROM log INDEXED BY log_channel
     WHERE channel = ? AND id > ? AND id < ?
     ORDER BY id LIMIT ?
"""
OF_TYPES: Final = """
    SELECT id, type, body, expires_ms, silent, erases FROM log WHERE id IN (
        SELECT id FROM (
            SELECT id, type FROM log INDEXED BY log_channel
             WHERE channel = ? AND id > ? AND id < ?
             ORDER BY id LIMIT ?
        ) WHERE type IN (SELECT value FROM json_each(?))
    ) ORDER BY id LIMIT ?
"""
LOOKED_AT: Final = """
    SELECT count(*), max(id), min(id) FROM (
        SELECT id FROM log INDEXED BY log_channel WHERE channel = ? AND id > ? AND id < ? ORDER BY id LIMIT ?
    )
"""
# Reading back is for notifications: what the service wrote between them would only take their room.
READ_BACK: Final = ASCENDING.replace("ORDER BY id", "AND type NOT GLOB '!*' ORDER BY id")
LAST_OLD: Final = """
    SELECT max(id) FROM (
        SELECT id, min(created_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - ?)
               OVER (ORDER BY id) AS old
          FROM (SELECT id, created_ms FROM log ORDER BY id LIMIT ?)
    ) WHERE old
"""


class SqliteStore:
    """The `Store` in a file. `replay_connections` bounds the pages that are read at the same time."""

    def __init__(self, database_url: str, *, replay_connections: int = 8) -> None:
        self._url = database_url
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reads = file.Reader(path, width=READS, wait_s=WAIT_S)
        self._replays = file.Reader(path, width=replay_connections, wait_s=REPLAY_WAIT_S)

    async def open(self) -> None:
        for connections in (self._writer, self._reads, self._replays):
            connections.open()
        # Looked at first, so that a command that only reads does not wait for the write lock.
        found = await schema.current_schema(self._url)
        if found is not None and found.is_newer:
            require_usable(found)
        elif found is None or found.revision != expected_revision():
            from notify_sse.store.sqlite import migration  # noqa: PLC0415  (Alembic takes long to load)

            await migration.migrate(self._url)

    async def close(self) -> None:
        await self._replays.close()
        await self._reads.close()
        await self._writer.close()

    async def append(self, batch: Sequence[Notification]) -> Appended:
        new = firsts(batch)
        ids = [stored_text(one.notification_id) for one in new]
        channels = [stored_text(one.channel) for one in new]

        async def work(connection: aiosqlite.Connection) -> Appended:
            head = await _head(connection)
            seen = await _seen(connection, list(zip(channels, ids, strict=True)))
            rows = [
                (stored_id, channel, one.notification_type, one.body, one.digest, one.expires_ms, one.silent)
                for one, stored_id, channel in zip(new, ids, channels, strict=True)
                if identity(one) not in seen
            ]
            if rows:
                await connection.executemany(
                    INSERT, ((place, *row) for place, row in enumerate(rows, head.position + 1))
                )
                await connection.execute(ADVANCE, (head.position + len(rows),))
            return outcome(batch, epoch=head.epoch, position=head.position, seen=seen)

        return await self._writer.run(work)

    async def head(self) -> Head:
        return await self._reads.run(_head)

    async def stretch(self, after: int, *, limit: int) -> Page:
        async def work(connection: aiosqlite.Connection) -> Page:
            head = await _head(connection)
            values = (page.bounded(after, default=0), limit, STRETCH_BYTES)
            rows = await connection.execute_fetchall(STRETCH, values)
            times = tuple(row[-1] for row in rows)
            events = _events(row[:-1] for row in rows)
            return structs.replace(page.stretch(events, head, limit=limit), committed_ms=times)

        return await self._reads.run(work)

    async def newest(self, *, max_events: int, max_bytes: int, before: int | None = None) -> Page:
        values = (page.bounded(before, default=page.MAX_ID), max_events, max_bytes)

        async def work(connection: aiosqlite.Connection) -> Page:
            head = await _head(connection)
            rows = await connection.execute_fetchall(NEWEST, values)
            return page.newest(_events(rows), head, before=before)

        return await self._reads.run(work)

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
        lowest, highest = page.bounded(after, default=0), page.bounded(before, default=page.MAX_ID)
        reading = _Reading(lowest, highest, tuple(types), descending, limit)

        async def work(connection: aiosqlite.Connection) -> Page:
            head = await _head(connection)
            events: list[Event] = []
            ends = []
            for channel in dict.fromkeys(channels):
                rows, end = await reading.read(connection, sought_text(channel))
                events += [_event(place, channel, columns) for place, *columns in rows]
                ends += [] if end is None else [end]
            looked_to = (max if descending else min)(ends, default=None)
            if looked_to is not None:  # beyond it, not every channel was looked at
                events = [one for one in events if (one.id >= looked_to if descending else one.id <= looked_to)]
            events.sort(key=attrgetter("id"), reverse=descending)
            del events[limit:]
            if descending:
                return page.descending(events, head, limit=limit, after=after, looked_to=looked_to)
            return page.ascending(events, head, limit=limit, before=before, looked_to=looked_to)

        return await self._replays.run(work)

    async def expire(self, *, retention_s: float, limit: int) -> int:
        async def work(connection: aiosqlite.Connection) -> int:
            values = (page.retention_ms(retention_s), limit)
            [(last_old,)] = await connection.execute_fetchall(LAST_OLD, values)
            if last_old is None:
                return 0
            deleted = await connection.execute("DELETE FROM log WHERE id <= ?", (last_old,))
            await connection.execute("UPDATE log_head SET floor = ?", (last_old,))
            await connection.execute("DELETE FROM read_mark WHERE id <= ?", (last_old,))
            return deleted.rowcount

        return await self._writer.run(work)

    async def new_epoch(self, *, instead_of: str | None = None) -> str:
        epoch = secrets.token_hex(5)
        await self._writer.run(lambda connection: connection.execute(NEW_EPOCH, (epoch, instead_of)))
        return epoch if instead_of is None else (await self.head()).epoch


class _Reading(NamedTuple):
    """What is read of each channel for one page."""

    lowest: int
    highest: int
    types: tuple[str, ...]
    descending: bool
    limit: int

    async def read(self, connection: aiosqlite.Connection, channel: bytes) -> tuple[Iterable[Any], int | None]:
        """The rows, and the id up to which there may be others, when not everything was looked at."""
        where: tuple[Any, ...] = (channel, self.lowest, self.highest)
        if not self.types:
            select = self._directed(READ_BACK if self.descending else ASCENDING)
            return await connection.execute_fetchall(select, (*where, self.limit)), None
        where += (page.LOOKED_AT,)
        [(count, last, first)] = await connection.execute_fetchall(self._directed(LOOKED_AT), where)
        rows = await connection.execute_fetchall(self._directed(OF_TYPES), (*where, json.dumps(self.types), self.limit))
        return rows, None if count < page.LOOKED_AT else first if self.descending else last

    def _directed(self, select: str) -> str:
        return select.replace("ORDER BY id", "ORDER BY id DESC") if self.descending else select


async def _head(connection: aiosqlite.Connection) -> Head:
    rows = list(await connection.execute_fetchall(HEAD))
    if not rows:
        raise StoreUnavailable("the log has no head: the database was emptied")
    return Head(*rows[0])


async def _seen(connection: aiosqlite.Connection, sought: Sequence[tuple[bytes, bytes]]) -> dict[Identity, Place]:
    """Of those `sought`, by channel and notification_id, the ones that the log has."""
    seen = {}
    for start in range(0, len(sought), LOOKUP_IDS):
        some = sought[start : start + LOOKUP_IDS]
        select = SEEN.format(",".join(["(?, ?)"] * len(some)))
        values = [value for pair in some for value in pair]
        for channel, found, place, digest in await connection.execute_fetchall(select, values):
            seen[channel.decode(), found.decode()] = Place(place, digest)
    return seen


def _event(place: int, channel: str, columns: Sequence[Any]) -> Event:
    kind, body, expires_ms, silent, erases = columns
    return Event(place, channel, kind, body, expires_ms, bool(silent), erases)


def _events(rows: Iterable[Any]) -> tuple[Event, ...]:
    return tuple(_event(place, channel.decode(), columns) for place, channel, *columns in rows)
