"""The `RolloutRecords` in the SQLite file: one row, or none."""

from typing import Final

import aiosqlite
import msgspec

from notify_sse.core.rollout import RolloutChange
from notify_sse.store.rollout import decoded
from notify_sse.store.sqlite import file

WAIT_S: Final = 5.0
READ: Final = "SELECT document FROM rollout"
WRITE: Final = """
    INSERT INTO rollout (one, document, changed_ms)
    VALUES (true, ?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
    ON CONFLICT (one) DO UPDATE SET document = excluded.document, changed_ms = excluded.changed_ms
"""


class SqliteRolloutRecords:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reads = file.Reader(path, width=1, wait_s=WAIT_S)

    async def read(self) -> RolloutChange:
        async def work(connection: aiosqlite.Connection) -> str | None:
            rows = list(await connection.execute_fetchall(READ))
            return str(rows[0][0]) if rows else None

        return decoded(await self._reads.run(work))

    async def write(self, change: RolloutChange) -> None:
        text = msgspec.json.encode(change).decode()
        await self._writer.run(lambda connection: connection.execute(WRITE, (text,)))

    async def close(self) -> None:
        await self._reads.close()
        await self._writer.close()
