"""The `RolloutRecords` in Postgres: one row, or none."""

from typing import Final

import msgspec

from notify_sse.core.rollout import RolloutChange
from notify_sse.store.postgres.pool import PostgresPool
from notify_sse.store.rollout import decoded

WAIT_S: Final = 5.0
READ: Final = "SELECT document FROM rollout WHERE one"
WRITE: Final = """
    INSERT INTO rollout (one, document, changed_ms)
    VALUES (true, $1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    ON CONFLICT (one) DO UPDATE SET document = excluded.document, changed_ms = excluded.changed_ms
"""


class PostgresRolloutRecords:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        self._pool = PostgresPool(database_url, size=1, wait_s=WAIT_S)

    async def read(self) -> RolloutChange:
        text = await self._pool.run(lambda connection: connection.fetchval(READ))
        return decoded(text)

    async def write(self, change: RolloutChange) -> None:
        text = msgspec.json.encode(change).decode()
        await self._pool.run(lambda connection: connection.execute(WRITE, text))

    async def close(self) -> None:
        await self._pool.close()
