"""Recall and erasure in Postgres: functions of one round trip each."""

from typing import Final

from notify_sse.core.channels import recipient_channel
from notify_sse.core.erasure import Erased, Recalled, StoredRows
from notify_sse.store import erasing
from notify_sse.store.batch import sought_text
from notify_sse.store.page import bounded
from notify_sse.store.postgres.pool import PostgresPool

WAIT_S: Final = 10.0
ERASED_AT_ONCE: Final = 5000
"""Rows of one transaction: about half a second."""
RECALL: Final = "SELECT * FROM log_recall($1, $2, $3)"
ERASE_SOME: Final = "SELECT * FROM log_erase_some($1, $2, $3)"
ERASE_REST: Final = "SELECT * FROM log_erase_rest($1, $2)"
ERASE_JOURNAL: Final = """
    WITH connections AS (DELETE FROM journal_connections WHERE recipient = $1)
    UPDATE journal_gateways SET report = '{}'
"""
"""A gateway that runs reports anew within a second; one that does not may have named the recipient."""
STORED: Final = """
    SELECT epoch, id, notification_id, type, body, created_ms
      FROM log_head
      LEFT JOIN LATERAL (
           SELECT * FROM log WHERE (channel, id) > ($1, $2) AND (channel, id) < ($1, 9223372036854775807)
            ORDER BY channel, id LIMIT $3
      ) AS page ON true
     WHERE one ORDER BY id
"""


class PostgresErasure:
    """The `Erasure` on Postgres."""

    def __init__(self, database_url: str) -> None:
        self._pool = PostgresPool(database_url, size=1, wait_s=WAIT_S)

    async def close(self) -> None:
        await self._pool.close()

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        body = erasing.recalled_body(notification_id)
        arguments = (sought_text(channel), sought_text(notification_id), body)
        [row] = await self._pool.run(lambda connection: connection.fetch(RECALL, *arguments))
        if row["place"] is None:
            return None
        return erasing.recalled(channel, row["log_epoch"], event_id=row["event_id"], body=body, place=row["place"])

    async def erase(self, recipient_id: str) -> Erased:
        channel = sought_text(recipient_channel(recipient_id))
        low: int = 0
        count: int = 0
        while True:
            last_id, notifications = await self._erase_some(channel, low)
            if last_id is None:
                break
            low, count = last_id, count + notifications
        [row] = await self._pool.run(lambda connection: connection.fetch(ERASE_REST, channel, low))
        count += row["notifications"]
        recipient = sought_text(recipient_id)
        await self._pool.run(lambda connection: connection.execute(ERASE_JOURNAL, recipient))
        return erasing.erased(recipient_id, row["log_epoch"], event_id=row["event_id"], count=count)

    async def _erase_some(self, channel: bytes, low: int) -> tuple[int | None, int]:
        """The id of the last row that was erased, and how many notifications."""
        [row] = await self._pool.run(lambda connection: connection.fetch(ERASE_SOME, channel, low, ERASED_AT_ONCE))
        return row["last_id"], row["notifications"]

    async def stored(self, recipient_id: str, *, after: int, limit: int) -> StoredRows:
        arguments = (sought_text(recipient_channel(recipient_id)), bounded(after, default=0), limit)
        rows = await self._pool.run(lambda connection: connection.fetch(STORED, *arguments))
        return StoredRows(rows[0]["epoch"], tuple(erasing.stored_row(*row[1:]) for row in map(tuple, rows) if row[1]))
