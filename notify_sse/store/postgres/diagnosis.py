"""What Postgres tells `notify-sse doctor`: the schema, the log and the gateways, its clock beside ours, how large the
tables are, and whether it keeps what it confirms.
"""

import time
from collections.abc import AsyncIterator
from typing import Final, Literal

import asyncpg

from notify_sse.core.ports import Finding
from notify_sse.errors import NotifyError
from notify_sse.store.diagnosis import examine
from notify_sse.store.postgres import grants
from notify_sse.store.postgres.journal import PostgresJournal
from notify_sse.store.postgres.pool import PostgresPool
from notify_sse.store.postgres.schema import current_schema
from notify_sse.store.postgres.store import PostgresStore

WAIT_S: Final = 5.0
SKEW_WARNING_S: Final = 2.0
SKEW_ERROR_S: Final = 30.0
MIB: Final = 1024 * 1024
SIZE: Final = "SELECT pg_total_relation_size(to_regclass($1))"
DURABILITY: Final = ("fsync", "synchronous_commit", "full_page_writes")
"""Settings of the server: with one of them off, a crash of its machine can lose what was committed."""


async def diagnose(database_url: str) -> AsyncIterator[Finding]:
    """See `core.ports.Finding`."""
    async for finding in examine(
        database_url, store=PostgresStore, journal=PostgresJournal, current_schema=current_schema, migrates_itself=False
    ):
        yield finding
    pool = PostgresPool(database_url, size=1, wait_s=WAIT_S)
    try:
        skew_s, durability = await pool.run(_server_state)
        statements = await pool.run(grants.statements)
        sizes = await pool.run(_sizes)
    except NotifyError:
        return  # `examine` has told that the database is away
    finally:
        await pool.close()
    if pool.pooled:
        yield Finding("pooler", "ok", "a connection pooler is between: each operation takes three round trips more")
    if statements:
        detail = "the database user lacks privileges on the log's tables"
        yield Finding("grants", "error", detail, f"as the owner of the tables run: {statements}")
    if sizes:
        yield Finding("size", "ok", ", ".join(f"{name}: {size / MIB:.1f} MiB" for name, size in sizes.items()))
    yield _clock(skew_s)
    for name in (name for name, value in durability.items() if value == "off"):
        advice = "switch it on: what was accepted can be lost when the database's machine fails"
        yield Finding("durability", "error" if name == "fsync" else "warning", f"Postgres has {name} = off", advice)


def _clock(skew_s: float) -> Finding:
    status: Literal["ok", "warning", "error"] = "ok"
    if abs(skew_s) > SKEW_WARNING_S:
        status = "error" if abs(skew_s) > SKEW_ERROR_S else "warning"
    advice = "" if status == "ok" else "run NTP on both machines: tokens end by this clock, retention goes by the other"
    return Finding("clock", status, f"{skew_s:+.2f} s against the database", advice)


async def _sizes(connection: asyncpg.Connection) -> dict[str, int]:
    """Of the largest tables, with their indexes; none where there is no log yet."""
    sizes = {name: await connection.fetchval(SIZE, name) for name in ("log", "journal_connections")}
    return {name: size for name, size in sizes.items() if size is not None}


async def _server_state(connection: asyncpg.Connection) -> tuple[float, dict[str, str]]:
    before = time.time()
    server: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    here = (before + time.time()) / 2
    return here - server, {name: await connection.fetchval("SELECT current_setting($1)", name) for name in DURABILITY}
