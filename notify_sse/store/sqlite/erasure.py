"""Recall and erasure in the SQLite file: each is one transaction."""

from typing import Final

import aiosqlite

from notify_sse.core.channels import recipient_channel
from notify_sse.core.erasure import Erased, Recalled, StoredRows
from notify_sse.core.model import ERASED, GONE, PASSED_OVER_MS, RECALLED
from notify_sse.store import erasing
from notify_sse.store.batch import sought_text
from notify_sse.store.page import bounded
from notify_sse.store.sqlite import file, own

WAIT_S: Final = 10.0
FOUND: Final = "SELECT id, type FROM log INDEXED BY log_identity WHERE channel = ? AND notification_id = ?"
RECALL: Final = "UPDATE log SET type = ?, body = x'', expires_ms = ?, silent = 1 WHERE id = ?"
COUNT: Final = "SELECT count(*) FROM log INDEXED BY log_channel WHERE channel = ? AND type NOT GLOB '!*'"
ERASE: Final = """
    UPDATE log INDEXED BY log_channel
       SET type = ?, body = x'', digest = x'', expires_ms = ?, silent = 1, erases = 0 WHERE channel = ?
"""
STORED: Final = """
    SELECT id, notification_id, type, body, created_ms FROM log INDEXED BY log_channel
     WHERE channel = ? AND id > ? ORDER BY id LIMIT ?
"""


class SqliteErasure:
    """The `Erasure` in a file."""

    def __init__(self, database_url: str) -> None:
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reads = file.Reader(path, width=1, wait_s=WAIT_S)

    async def close(self) -> None:
        await self._writer.close()
        await self._reads.close()

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        place_of = (sought_text(channel), sought_text(notification_id))
        body = erasing.recalled_body(notification_id)

        async def work(connection: aiosqlite.Connection) -> Recalled | None:
            for place, kind in await connection.execute_fetchall(FOUND, place_of):
                epoch, event_id = (await own.head(connection))[0], None
                if kind != GONE:
                    await connection.execute(RECALL, (GONE, PASSED_OVER_MS, place))
                    await connection.execute("DELETE FROM read_mark WHERE id = ?", (place,))
                    epoch, event_id = await own.append(connection, place_of[0], RECALLED, body, erases=place)
                return erasing.recalled(channel, epoch, event_id=event_id, body=body, place=place)
            return None

        return await self._writer.run(work)

    async def erase(self, recipient_id: str) -> Erased:
        channel = sought_text(recipient_channel(recipient_id))

        async def work(connection: aiosqlite.Connection) -> Erased:
            [(count,)] = await connection.execute_fetchall(COUNT, (channel,))
            await connection.execute(ERASE, (GONE, PASSED_OVER_MS, channel))
            await connection.execute("DELETE FROM read_state WHERE channel = ?", (channel,))
            await connection.execute("DELETE FROM read_mark WHERE channel = ?", (channel,))
            recipient = sought_text(recipient_id)
            await connection.execute("DELETE FROM journal_connections WHERE recipient = ?", (recipient,))
            # A gateway that runs reports anew within a second; one that does not may have named the recipient.
            await connection.execute("UPDATE journal_gateways SET report = '{}'")
            _, position = await own.head(connection)
            epoch, event_id = await own.append(connection, channel, ERASED, b"", erases=position)
            return erasing.erased(recipient_id, epoch, event_id=event_id, count=count)

        return await self._writer.run(work)

    async def stored(self, recipient_id: str, *, after: int, limit: int) -> StoredRows:
        values = (sought_text(recipient_channel(recipient_id)), bounded(after, default=0), limit)

        async def work(connection: aiosqlite.Connection) -> StoredRows:
            epoch, _ = await own.head(connection)
            rows = await connection.execute_fetchall(STORED, values)
            return StoredRows(epoch, tuple(erasing.stored_row(*row) for row in rows))

        return await self._reads.run(work)
