"""The `Journal` in Postgres: each operation is one autocommitted statement, as in `store`."""

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, Final

import asyncpg

from notify_sse.core.channels import recipient_channel
from notify_sse.core.journal import Entries, Found, Gateway, Mark, Row
from notify_sse.core.model import READ
from notify_sse.store import journal_rows as rows
from notify_sse.store.batch import sought_text
from notify_sse.store.page import retention_ms
from notify_sse.store.postgres.pool import PostgresPool

CONNECTIONS: Final = 2
WAIT_S: Final = 2.0
NOW_MS: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
FIND: Final = f"SELECT {rows.FOUND} FROM log AS found WHERE notification_id = $1 LIMIT $2"  # noqa: S608
FIND_ON: Final = f"SELECT {rows.FOUND} FROM log AS found WHERE channel = $1 AND notification_id = $2"  # noqa: S608
ACCEPTED: Final = f"SELECT {rows.ACCEPTED} FROM journal_accepted WHERE first <= $1 ORDER BY first DESC LIMIT 1"  # noqa: S608
GATEWAYS: Final = f"SELECT {rows.GATEWAY}, {NOW_MS} - beat_ms FROM journal_gateways WHERE beat_ms >= $1"  # noqa: S608
ERASE: Final = "DELETE FROM journal_connections WHERE recipient = $1 AND gateway = $2 AND opened_ms <= $3"
NEWEST: Final = f"""
    SELECT {rows.CONNECTION} FROM journal_connections WHERE recipient = $1 ORDER BY recipient, opened_ms DESC LIMIT $2
"""  # noqa: S608
SINCE: Final = f"""
    SELECT {rows.CONNECTION} FROM journal_connections
     WHERE recipient = $1 AND (closed_ms IS NULL OR closed_ms >= $2) ORDER BY recipient, opened_ms LIMIT $3
"""  # noqa: S608
MARKS: Final = """
    SELECT id, created_ms, body FROM log WHERE channel = $1 AND id > $2 AND type = $3 ORDER BY id LIMIT $4
"""
EXPIRE: Final = (
    """
    DELETE FROM journal_connections WHERE id = ANY (ARRAY(
        SELECT id FROM journal_connections AS old WHERE opened_ms < $1
           AND (closed_ms < $1 OR NOT EXISTS (
               SELECT FROM journal_gateways AS live WHERE live.gateway = old.gateway AND live.beat_ms >= $1))
         ORDER BY opened_ms LIMIT $2))
    """,
    """
    DELETE FROM journal_accepted WHERE first = ANY (ARRAY(
        SELECT first FROM journal_accepted WHERE committed_ms < $1 ORDER BY first LIMIT $2))
    """,
    "DELETE FROM journal_gateways WHERE beat_ms < $1 AND $2::int > 0",
)


class PostgresJournal:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        self._pool = PostgresPool(database_url, size=CONNECTIONS, wait_s=WAIT_S)
        self._write = (resources.files("notify_sse.store.postgres") / "sql" / "journal_write.sql").read_text("utf-8")

    async def close(self) -> None:
        await self._pool.close()

    async def write(self, entries: Entries) -> None:
        values = [*_columns(rows.opened(entries), 14), *_columns(rows.closed(entries), 4)]
        values += [*_columns(rows.accepted(entries), 6), *rows.beat(entries.beat)]
        if erased := rows.erased(entries):
            await self._pool.run(lambda connection: connection.executemany(ERASE, erased))
        await self._pool.run(lambda connection: connection.execute(self._write, *values))

    async def epoch(self) -> str:
        [[epoch]] = await self._fetch("SELECT epoch FROM log_head WHERE one")
        return str(epoch)

    async def find(self, notification_id: str, channel: str | None) -> list[Found]:
        sought = sought_text(notification_id)
        if channel is None:
            found = await self._fetch(FIND, sought, rows.MAX_FOUND)
        else:
            found = await self._fetch(FIND_ON, sought_text(channel), sought)
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
        async def work(connection: asyncpg.Connection) -> int:
            now_ms: int = await connection.fetchval(f"SELECT {NOW_MS}")
            done = [await connection.execute(one, now_ms - retention_ms(retention_s), limit) for one in EXPIRE]
            return sum(int(status.split()[-1]) for status in done)

        return await self._pool.run(work)

    async def oldest_event_s(self) -> float:
        found = await self._fetch(f"SELECT {NOW_MS} - created_ms FROM log ORDER BY id LIMIT 1")  # noqa: S608
        return max(0.0, found[0][0] / 1000) if found else 0.0

    async def _fetch(self, statement: str, *values: Any) -> list[Sequence[Any]]:
        async def work(connection: asyncpg.Connection) -> list[Sequence[Any]]:
            return [tuple(record) for record in await connection.fetch(statement, *values)]

        return await self._pool.run(work)


def _columns(given: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as columns."""
    made = [list(column) for column in zip(*given, strict=True)]
    return made or [[] for _ in range(width)]
