"""`python -m tests.comparison.growth`: what the log costs as it grows, on a private Postgres.

For each number of rows: appends, pages of a replay, retention with appends beside it, sizes, and how long a process
takes until it is ready. Several rounds over all numbers; the median of the rounds counts. Postgres has its default
settings (128 MB of shared buffers). With rows that fit no cache, the first look at a page is a read of the disk.
"""

import asyncio
import shutil
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, cast
from uuid import uuid4

import asyncpg
import click
import msgspec
import uvloop

from notify_sse.core.model import Notification
from notify_sse.core.ports import Store
from notify_sse.log.new_id import new_id
from notify_sse.log.retention import Retention
from notify_sse.store.postgres.store import PostgresStore
from notify_sse.telemetry.metrics import Metrics
from tests.support.service import Service
from tests.support.services import InstalledPostgres, PostgresServer, private_directory, start_postgres

PER_RECIPIENT: Final = 100
"""Rows of each recipient, spread over the whole log."""
BODY: Final = b'{"text":"' + b"x" * 190 + b'"}'
BATCH: Final = 50
APPENDS: Final = 200
PAGES: Final = 400
PAGE: Final = 50
RETENTION_S: Final = 8.0
APPEND_EVERY_S: Final = 0.02
OLD_ROWS: Final = 20_000
"""What retention finds to remove in a round: the oldest are so many hours old, the next ones an hour less."""
OLDEST_H: Final = 4

# In one transaction with the TRUNCATE, so that Postgres writes no log of it; the indexes are built afterwards.
FILL: Final = """
INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms)
SELECT n,
       convert_to(CASE WHEN $6 THEN left(moment, 8) || '-' || right(moment, 4) || substr(id, 14) ELSE id END, 'UTF8'),
       convert_to('recipient:r' || n % $2, 'UTF8'), 'new_message', $3, decode(md5(n::text), 'hex'), 0,
       extract(epoch FROM now()) * 1000 - greatest(0, 3600000 * ($4::bigint - (n - 1) / $5::bigint))
  FROM (SELECT n, gen_random_uuid()::text AS id,
               lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - $1::bigint + n), 12, '0') AS moment
          FROM generate_series(1, $1::bigint) AS n) AS new
"""
INDEXES: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'log' AND indexname <> 'log_pkey'"
SIZES: Final = "SELECT pg_table_size('log') / 1e6, pg_indexes_size('log') / 1e6"


class Figures(msgspec.Struct, frozen=True):
    """Of one log in one round: times in ms, sizes in MB, rows a second. `beside_*`: of appends beside retention."""

    append_p50: float
    append_p95: float
    replay_p50: float
    replay_p95: float
    beside_p95: float
    beside_most: float
    alone_p95: float
    alone_most: float
    removed_per_s: float
    table_mb: float
    indexes_mb: float
    ready_s: float


async def fill(url: str, rows: int, *, ascending: bool) -> None:
    """A log of so many rows, as the service would have written them; `ascending`: their ids begin with their time."""
    store = PostgresStore(url)
    await store.open()
    await store.close()
    connection = await asyncpg.connect(url)
    try:
        indexes = await connection.fetch(INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        async with connection.transaction():
            await connection.execute("TRUNCATE log")
            await connection.execute(FILL, rows, max(1, rows // PER_RECIPIENT), BODY, OLDEST_H, OLD_ROWS, ascending)
            await connection.execute("UPDATE log_head SET position = $1 WHERE one", rows)
        await connection.execute("SET maintenance_work_mem = '512MB'")
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("VACUUM ANALYZE log")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


class Load:
    """What is published to a log, and read from it: each notification for any of its recipients."""

    def __init__(self, rows: int, *, ascending: bool, seed: int) -> None:
        self._random = Random(seed)
        self._recipients = max(1, rows // PER_RECIPIENT)
        self._new_id = new_id if ascending else lambda: str(uuid4())

    def recipient(self) -> str:
        """The channel of any of them."""
        return f"recipient:r{self._random.randrange(self._recipients)}"

    def batch(self, count: int = BATCH) -> list[Notification]:
        """New notifications."""
        return [
            Notification(
                notification_id=self._new_id(),
                notification_type="new_message",
                channel=self.recipient(),
                body=BODY,
                digest=self._random.randbytes(16),
            )
            for _ in range(count)
        ]


async def appends(store: PostgresStore, load: Load) -> list[float]:
    """How long batches take, one after the other, in ms."""
    times = []
    for _ in range(APPENDS):
        new = load.batch()
        began = time.perf_counter()
        await store.append(new)
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def replays(store: PostgresStore, load: Load) -> list[float]:
    """How long pages of any recipient's oldest events take, in ms."""
    times = []
    for _ in range(PAGES):
        channels = (load.recipient(), "topic:all")
        began = time.perf_counter()
        await store.after(0, channels, limit=PAGE)
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def paced(store: PostgresStore, load: Load) -> list[float]:
    """How long appends take that come every 20 ms, for as long as retention is looked at, in ms."""
    times, ends = [], time.perf_counter() + RETENTION_S
    while (began := time.perf_counter()) < ends:
        await store.append(load.batch(10))
        took = time.perf_counter() - began
        times.append(took * 1e3)
        await asyncio.sleep(max(0.0, APPEND_EVERY_S - took))
    return times


class Expiring:
    """The store, for retention: notes how many rows a second it removes, from its beginning to its last ones."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._began = time.perf_counter()
        self._removed = 0
        self.per_s = 0.0

    async def expire(self, *, retention_s: float, limit: int) -> int:
        """As the store's."""
        removed = await self._store.expire(retention_s=retention_s, limit=limit)
        self._removed += removed
        if removed:
            self.per_s = self._removed / (time.perf_counter() - self._began)
        return removed


async def retained(store: PostgresStore, load: Load, *, number: int) -> tuple[list[float], float]:
    """The same beside retention as the service runs it, and how many rows a second that removed."""
    expiring = Expiring(store)
    retention = Retention(cast(Store, expiring), Metrics(), retention_s=(OLDEST_H - number - 0.5) * 3600)
    work = asyncio.create_task(retention.run())
    times = await paced(store, load)
    work.cancel()
    with suppress(asyncio.CancelledError):
        await work
    return times, expiring.per_s


async def measure(url: str, load: Load, *, ready_s: float, number: int) -> Figures:
    """Round `number` on one log."""
    store, connection = PostgresStore(url), await asyncpg.connect(url)
    await store.open()
    try:
        await store.append(load.batch())  # connections are made
        await store.after(0, ("recipient:r0",), limit=1)
        appended = await appends(store, load)
        replayed = await replays(store, load)
        alone = await paced(store, load)
        beside, removed_per_s = await retained(store, load, number=number)
        sizes = await connection.fetchrow(SIZES)
        assert sizes
    finally:
        await store.close()
        await connection.close()
    return Figures(
        statistics.median(appended),
        p95(appended),
        statistics.median(replayed),
        p95(replayed),
        p95(beside),
        max(beside),
        p95(alone),
        max(alone),
        removed_per_s,
        float(sizes[0]),
        float(sizes[1]),
        ready_s,
    )


def p95(times: Sequence[float]) -> float:
    """The time that 95 % stay within."""
    return sorted(times)[int(len(times) * 0.95)]


def start_s(directory: Path, url: str) -> float:
    """From the start of a process until it is ready."""
    service = Service(directory, database_url=url)
    began = time.perf_counter()
    try:
        service.start()
        return time.perf_counter() - began
    finally:
        service.kill()


def table(found: dict[int, list[Figures]]) -> str:
    """As it stands in the page: the medians of the rounds."""
    lines = ["| | " + " | ".join(f"{rows:,}" for rows in found) + " |", "|---|" + "---:|" * len(found)]
    names = {
        "append_p50": "append of 50: p50, ms",
        "append_p95": "append of 50: p95, ms",
        "replay_p50": "page of 50 events: p50, ms",
        "replay_p95": "page of 50 events: p95, ms",
        "alone_p95": "append of 10, every 20 ms: p95, ms",
        "alone_most": "and the slowest",
        "beside_p95": "the same beside retention: p95, ms",
        "beside_most": "and the slowest",
        "removed_per_s": "retention: rows a second",
        "table_mb": "table, MB",
        "indexes_mb": "indexes, MB",
        "ready_s": "a process is ready after, s",
    }
    for field, name in names.items():
        medians = [statistics.median(getattr(one, field) for one in rounds) for rounds in found.values()]
        shown = [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in medians]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def run(
    database: PostgresServer, directory: Path, sizes: Sequence[int], *, rounds: int, ascending: bool
) -> dict[int, list[Figures]]:
    """Fill a log of each size, then measure them in turn."""
    urls = {}
    for rows in sizes:
        urls[rows] = database.create_database()
        began = time.perf_counter()
        uvloop.run(fill(urls[rows], rows, ascending=ascending))
        click.echo(f"{rows:,} rows: filled in {time.perf_counter() - began:.0f} s", err=True)
    found: dict[int, list[Figures]] = {rows: [] for rows in sizes}
    for number in range(rounds):
        for rows, url in urls.items():
            ready_s = start_s(directory / f"service-{rows}-{number}", url)
            load = Load(rows, ascending=ascending, seed=number)
            found[rows].append(uvloop.run(measure(url, load, ready_s=ready_s, number=number)))
            click.echo(f"{rows:,} rows, round {number + 1}: {found[rows][-1]}", err=True)
    return found


def _postgres(directory: Path, settings: dict[str, str]) -> PostgresServer:
    if not settings:
        return start_postgres(directory)
    database = InstalledPostgres(directory / "postgres", settings=settings)
    database.start()
    return database


@click.command()
@click.option("--rows", "sizes", multiple=True, type=int, default=(100_000, 1_000_000), help="Sizes of the log.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, OLDEST_H), help="How often.")
@click.option("--setting", "settings", multiple=True, metavar="NAME=VALUE", help="Of Postgres, not as by default.")
@click.option("--random-ids", is_flag=True, help="Ids as of UUID version 4, and not those that the service makes.")
def main(*, sizes: Sequence[int], rounds: int, settings: Sequence[str], random_ids: bool) -> None:
    """Measure logs of these sizes side by side."""
    directory = Path(private_directory())
    database = _postgres(directory, dict(one.split("=", 1) for one in settings))
    try:
        click.echo(table(run(database, directory, sizes, rounds=rounds, ascending=not random_ids)))
    finally:
        database.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
