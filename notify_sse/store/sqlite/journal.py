"""The `Journal` in the SQLite file of the log."""

from collections.abc import Sequence
from typing import Any, Final

import aiosqlite

from notify_sse.core.channels import recipient_channel
from notify_sse.core.journal import Entries, Found, Gateway, Mark, Row
from notify_sse.core.model import READ
from notify_sse.store import journal_rows as rows
from notify_sse.store.batch import sought_text
from notify_sse.store.page import retention_ms
from notify_sse.store.sqlite import file

READS: Final = 2
WAIT_S: Final = 2.0
NOW_MS: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
OPEN: Final = f"""
    INSERT INTO journal_connections AS kept ({rows.CONNECTION}) VALUES ({", ".join("?" * 14)})
    ON CONFLICT (id) DO UPDATE
       SET closed_position = excluded.closed_position, closed_ms = excluded.closed_ms, reason = excluded.reason
     WHERE kept.closed_ms IS NULL AND excluded.closed_ms IS NOT NULL
"""  # noqa: S608
ERASE: Final = "DELETE FROM journal_connections WHERE recipient = ? AND gateway = ? AND opened_ms <= ?"
CLOSE: Final = """
    UPDATE journal_connections SET closed_position = ?, closed_ms = ?, reason = ? WHERE id = ? AND closed_ms IS NULL
"""
ACCEPT: Final = f"INSERT OR REPLACE INTO journal_accepted ({rows.ACCEPTED}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
BEAT: Final = f"""
    INSERT INTO journal_gateways ({rows.GATEWAY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {NOW_MS}, {NOW_MS})
    ON CONFLICT (gateway) DO UPDATE
       SET epoch = excluded.epoch, position = excluded.position, lagging = excluded.lagging, lost = excluded.lost,
           stopped = excluded.stopped, streams = excluded.streams, lag = excluded.lag, report = excluded.report,
           beat_ms = excluded.beat_ms
"""  # noqa: S608
FIND: Final = f"SELECT {rows.FOUND} FROM log AS found WHERE notification_id = ? LIMIT ?"  # noqa: S608
FIND_ON: Final = f"SELECT {rows.FOUND} FROM log AS found WHERE notification_id = ? AND channel = ?"  # noqa: S608
ACCEPTED: Final = f"SELECT {rows.ACCEPTED} FROM journal_accepted WHERE first <= ? ORDER BY first DESC LIMIT 1"  # noqa: S608
GATEWAYS: Final = f"SELECT {rows.GATEWAY}, {NOW_MS} - beat_ms FROM journal_gateways WHERE beat_ms >= ?"  # noqa: S608
NEWEST: Final = f"""
    SELECT {rows.CONNECTION} FROM journal_connections WHERE recipient = ? ORDER BY opened_ms DESC LIMIT ?
"""  # noqa: S608
SINCE: Final = f"""
    SELECT {rows.CONNECTION} FROM journal_connections
     WHERE recipient = ? AND (closed_ms IS NULL OR closed_ms >= ?) ORDER BY opened_ms LIMIT ?
"""  # noqa: S608
MARKS: Final = """
    SELECT id, created_ms, body FROM log WHERE channel = ? AND id > ? AND type = ? ORDER BY id LIMIT ?
"""
EXPIRE: Final = (
    """
    DELETE FROM journal_connections WHERE id IN (
        SELECT id FROM journal_connections AS old WHERE opened_ms < ?1
           AND (closed_ms < ?1 OR NOT EXISTS (
               SELECT 1 FROM journal_gateways AS live WHERE live.gateway = old.gateway AND live.beat_ms >= ?1))
         ORDER BY opened_ms LIMIT ?2)
    """,
    """
    DELETE FROM journal_accepted WHERE first IN (
        SELECT first FROM journal_accepted WHERE committed_ms < ?1 ORDER BY first LIMIT ?2)
    """,
    "DELETE FROM journal_gateways WHERE beat_ms < ?1 AND ?2 > 0",
)


class SqliteJournal:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reader = file.Reader(path, width=READS, wait_s=WAIT_S)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()

    async def write(self, entries: Entries) -> None:
        async def work(connection: aiosqlite.Connection) -> None:
            await connection.executemany(ERASE, rows.erased(entries))
            await connection.executemany(OPEN, rows.opened(entries))
            closed = [(*end, connection_id) for connection_id, *end in rows.closed(entries)]
            await connection.executemany(CLOSE, closed)
            await connection.executemany(ACCEPT, rows.accepted(entries))
            await connection.execute(BEAT, rows.beat(entries.beat))

        await self._writer.run(work)

    async def epoch(self) -> str:
        [[epoch]] = await self._fetch("SELECT epoch FROM log_head")
        return str(epoch)

    async def find(self, notification_id: str, channel: str | None) -> list[Found]:
        sought = sought_text(notification_id)
        if channel is None:
            found = await self._fetch(FIND, sought, rows.MAX_FOUND)
        else:
            found = await self._fetch(FIND_ON, sought, sought_text(channel))
        return [rows.found(one, await self._fetch(ACCEPTED, one[1])) for one in found]

    async def gateways(self, *, since_ms: int) -> list[Gateway]:
        return [rows.gateway(one) for one in await self._fetch(GATEWAYS, since_ms)]

    async def newest(self, recipient_id: str, *, limit: int) -> list[Row]:
        return [rows.row(one) for one in await self._fetch(NEWEST, sought_text(recipient_id), limit)]

    async def since(self, recipient_id: str, *, since_ms: int, limit: int) -> list[Row]:
        return [rows.row(one) for one in await self._fetch(SINCE, sought_text(recipient_id), since_ms, limit)]

    async def marks(self, recipient_id: str, *, after: int, limit: int) -> list[Mark]:
        channel = sought_text(recipient_channel(recipient_id))
        return [rows.mark(one) for one in await self._fetch(MARKS, channel, after, READ, limit)]

    async def expire(self, *, retention_s: float, limit: int) -> int:
        async def work(connection: aiosqlite.Connection) -> int:
            [(now_ms,)] = await connection.execute_fetchall(f"SELECT {NOW_MS}")
            oldest_ms = now_ms - retention_ms(retention_s)
            return sum([(await connection.execute(one, (oldest_ms, limit))).rowcount for one in EXPIRE])

        return await self._writer.run(work)

    async def oldest_event_s(self) -> float:
        found = await self._fetch(f"SELECT {NOW_MS} - created_ms FROM log ORDER BY id LIMIT 1")  # noqa: S608
        return max(0.0, found[0][0] / 1000) if found else 0.0

    async def _fetch(self, statement: str, *values: Any) -> list[Sequence[Any]]:
        async def work(connection: aiosqlite.Connection) -> list[Sequence[Any]]:
            return list(await connection.execute_fetchall(statement, values))

        return await self._reader.run(work)
