"""What the service itself writes to the log in the SQLite file, inside the transaction of whoever calls."""

from typing import Final

import aiosqlite

from notify_sse.core.model import PASSED_OVER_MS
from notify_sse.errors import StoreUnavailable

NOW_MS: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
INSERT: Final = f"""
    INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms, silent, erases)
    VALUES (?, ?, ?, ?, ?, x'', ?, {NOW_MS}, 1, ?)
"""  # noqa: S608 - constants
NO_UTF8: Final = b"\xff"
"""How a notification_id of the service's own begins. No publisher's can: it is stored as UTF-8."""


async def head(connection: aiosqlite.Connection) -> tuple[str, int]:
    """The log's epoch, and its newest id."""
    for epoch, position in await connection.execute_fetchall("SELECT epoch, position FROM log_head"):
        return epoch, position
    raise StoreUnavailable("the log has no head: the database was emptied")


async def append(
    connection: aiosqlite.Connection, channel: bytes, kind: str, body: bytes, *, erases: int = 0
) -> tuple[str, int]:
    """Write one row of a type that begins with `!`. Returns the log's epoch, and the id of the row."""
    epoch, position = await head(connection)
    place = position + 1
    notification_id = NO_UTF8 + place.to_bytes(8, "big")
    await connection.execute(INSERT, (place, notification_id, channel, kind, body, PASSED_OVER_MS, erases))
    await connection.execute("UPDATE log_head SET position = ?", (place,))
    return epoch, place
