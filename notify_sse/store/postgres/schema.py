"""Which schema a Postgres database has."""

import asyncpg

from notify_sse.store.postgres import pool
from notify_sse.store.schema import SELECT_SCHEMA, VERSION_TABLE, Schema


async def current_schema(database_url: str) -> Schema | None:
    """The schema that the database has, None when it is empty. Creates nothing. Raises `StoreUnavailable`."""
    reads = pool.PostgresPool(database_url, size=1, wait_s=1)
    try:
        return await reads.run(schema_of)
    finally:
        await reads.close()


async def schema_of(connection: asyncpg.Connection) -> Schema | None:
    """As `current_schema`, on an open connection."""
    if await connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
        return None
    row = await connection.fetchrow(SELECT_SCHEMA)
    return Schema.of(dict(row)) if row else None
