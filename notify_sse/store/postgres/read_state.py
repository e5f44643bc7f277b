"""The read state in Postgres: counts, and the function `log_read`, which marks in one round trip."""

from collections.abc import Collection, Sequence
from importlib import resources
from typing import Any, Final

from notify_sse.core.channels import recipient_channel
from notify_sse.core.read_state import Marked, Marks, Unread
from notify_sse.errors import StoreUnavailable
from notify_sse.store import marking
from notify_sse.store.batch import sought_text
from notify_sse.store.page import bounded
from notify_sse.store.postgres.pool import PostgresPool

CONNECTIONS: Final = 2
WAIT_S: Final = 10.0
MARK: Final = "SELECT * FROM log_read($1, $2, $3, $4, $5)"
MARKS: Final = """
    SELECT coalesce((SELECT upto FROM read_state WHERE channel = $1), 0) AS upto,
           (SELECT array_agg(id) FROM read_mark WHERE channel = $1 AND id = ANY ($2::bigint[])) AS ids
"""


class PostgresReadState:
    """The `ReadState` on Postgres. Counting and marking have connections of their own."""

    def __init__(self, database_url: str) -> None:
        self._writes = PostgresPool(database_url, size=CONNECTIONS, wait_s=WAIT_S)
        self._reads = PostgresPool(database_url, size=CONNECTIONS, wait_s=WAIT_S)
        self._unread = (resources.files("notify_sse.store.postgres") / "sql" / "unread.sql").read_text("utf-8")

    async def close(self) -> None:
        await self._writes.close()
        await self._reads.close()

    async def unread(self, recipients: Sequence[str]) -> list[Unread]:
        channels = [_channel(one) for one in recipients]
        rows = await self._reads.run(lambda connection: connection.fetch(self._unread, channels))
        if len(rows) < len(channels):
            raise StoreUnavailable("the log has no head: the database was emptied")
        return [
            marking.unread(
                row["epoch"],
                row["position"],
                row["upto"],
                count=row["unread"],
                oldest=row["oldest"],
                expiring_ms=row["expiring_ms"],
            )
            for row in rows
        ]

    async def mark_upto(self, recipient_id: str, position: int) -> Marked:
        return await self._mark(recipient_id, bounded(position, default=0), None, None, True)

    async def mark(self, recipient_id: str, notification_ids: Collection[str], *, read: bool) -> Marked:
        return await self._mark(recipient_id, None, *_ids(notification_ids), read)

    async def marks(self, recipient_id: str, positions: Sequence[int]) -> Marks:
        [row] = await self._reads.run(
            lambda connection: connection.fetch(MARKS, _channel(recipient_id), list(positions))
        )
        return Marks(row["upto"], frozenset(row["ids"] or ()))

    async def _mark(self, recipient_id: str, *arguments: Any) -> Marked:
        [row] = await self._writes.run(lambda connection: connection.fetch(MARK, _channel(recipient_id), *arguments))
        return marking.marked(
            recipient_id,
            row["log_epoch"],
            event_id=row["event_id"],
            body=row["event_body"],
            count=row["unread_now"],
            upto=row["upto_now"],
        )


def _channel(recipient_id: str) -> bytes:
    return sought_text(recipient_channel(recipient_id))


def _ids(notification_ids: Collection[str]) -> tuple[list[bytes], list[bytes]]:
    ids = marking.distinct(notification_ids)
    return [sought_text(one) for one in ids], [marking.to_json(one) for one in ids]
