"""Through a real PgBouncer, with session and with transaction pooling, whether it refuses or passes over our start-up
parameters: everything works, and nothing is left on the connections that others get after us.
"""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from notify_sse.core.access import NewRevocation
from notify_sse.errors import BadConfiguration, StoreUnavailable
from notify_sse.store import open_access_records, open_store
from notify_sse.store.postgres import migration, pool
from notify_sse.store.postgres.diagnosis import diagnose
from notify_sse.store.schema import VERSION_TABLE
from tests.store.subject import Subject, ids, several, whole_log
from tests.support.api import Api
from tests.support.service import ServiceFactory
from tests.support.services import ensure, private_directory
from tests.support.services.pgbouncer import PgBouncer

PASSED_OVER = "ignore_startup_parameters = " + ", ".join(pool.SERVER_SETTINGS)


@pytest.fixture
def behind(request: pytest.FixtureRequest, database_url: str) -> Iterator[Subject]:
    """A database behind a pooler; the parameter is its mode and its options."""
    ensure("pgbouncer")
    mode, options = request.param
    directory = private_directory()
    bouncer = PgBouncer(directory, database_url, mode=mode, options=options)
    try:
        bouncer.start()
        yield Subject(bouncer.url)
    finally:
        bouncer.stop()
        shutil.rmtree(directory)


every_way = pytest.mark.parametrize(
    "behind",
    [("session", ""), ("session", PASSED_OVER), ("transaction", ""), ("transaction", PASSED_OVER)],
    indirect=True,
    ids=["session-refused", "session-ignored", "transaction-refused", "transaction-ignored"],
)
transactions = pytest.mark.parametrize("behind", [("transaction", "")], indirect=True)


@every_way
async def test_many_use_it_at_once_and_leave_nothing_behind(behind: Subject, database_url: str) -> None:
    """From an empty database on, which the first to come migrates."""
    rng = random.Random(1)
    stores = [open_store(behind.url) for _ in range(3)]
    access = open_access_records(behind.url)

    async def write(name: str) -> None:
        for number in range(6):
            await rng.choice(stores).append(several(f"{name}-{number}", 5))

    async def read() -> None:
        for _ in range(15):
            store = rng.choice(stores)
            page = await store.after(0, ["recipient:alice"], limit=100)
            assert ids(page.events) == list(range(1, len(page.events) + 1))
            newest = await store.newest(max_events=10, max_bytes=10**6)
            assert [one.id for one in newest.events][-1:] in ([newest.head.position], [])
            await access.revocation_changes(0, limit=10)

    try:
        await asyncio.gather(*(store.open() for store in stores))
        await asyncio.gather(*(write(str(number)) for number in range(4)), *(read() for _ in range(6)))
        assert len(await whole_log(stores[0])) == 120
        new = NewRevocation(kind="sub", value="alice", revoked_ms=1, until_ms=0, reason="", who="root")
        await access.revoke(new, change=None)
        assert [one.value for one in await access.revocations(["sub"], before=None, limit=9)] == ["alice"]
        findings = {one.check: one.status async for one in diagnose(behind.url)}
        assert findings["pooler"] == "ok"
        assert "error" not in findings.values()
        async with _others(behind) as connections:
            for connection in connections:
                left = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
                timeout = await connection.fetchval("SELECT current_setting('statement_timeout')")
                assert timeout == "0"
                assert left <= 1  # of asyncpg's own question at its first connect, before it is known what is there
    finally:
        await asyncio.gather(*(store.close() for store in stores), access.close())
    server = Subject(database_url)
    assert await server.sql("SELECT count(*), max(id) FROM log") == [(120, 120)]


@asynccontextmanager
async def _others(behind: Subject) -> AsyncIterator[list[asyncpg.Connection]]:
    """Several at once, each in a transaction, so that each has a connection to the server of its own."""
    connections = [await asyncpg.connect(behind.url, statement_cache_size=0) for _ in range(3)]
    try:
        for connection in connections:
            await connection.execute("BEGIN")
        yield connections
    finally:
        for connection in connections:
            await connection.close()


@transactions
async def test_our_settings_hold_in_each_transaction(behind: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what keeps a slow statement, or a process that stands still, from holding the log."""
    settings = {"statement_timeout": "200", "idle_in_transaction_session_timeout": "200"}
    connections = pool.PostgresPool(behind.url, size=1, wait_s=1)
    try:
        found = await connections.run(lambda one: one.fetch("SELECT name, setting FROM pg_settings"))
        assert pool.SERVER_SETTINGS.items() - {row["name"]: row["setting"] for row in found}.items() == {
            (name, value) for name, value in pool.SERVER_SETTINGS.items() if name.startswith("tcp_")
        }
        for name, value in settings.items():
            monkeypatch.setitem(pool.SERVER_SETTINGS, name, value)
        with pytest.raises(StoreUnavailable, match="QueryCanceled"):
            await connections.run(lambda one: one.fetch("SELECT pg_sleep(5)"))

        async def stand_still(connection: asyncpg.Connection) -> None:
            await connection.fetch("SELECT pg_advisory_xact_lock(1)")
            await asyncio.sleep(1)
            await connection.fetch("SELECT 1")

        with pytest.raises(StoreUnavailable):
            await connections.run(stand_still)
        assert await connections.run(lambda one: one.fetchval("SELECT pg_try_advisory_xact_lock(1)"))
    finally:
        await connections.close()


@transactions
async def test_what_fails_is_rolled_back(behind: Subject) -> None:
    """A row that another program wrote past the head: the append finds it, as it does without a pooler."""
    async with behind.opened() as store:
        await store.append(several("a", 1))
        copy = (
            "INSERT INTO log SELECT 2, 'x', channel, type, body, digest, expires_ms, created_ms FROM log WHERE id = 1"
        )
        await behind.sql(copy)
        with pytest.raises(StoreUnavailable, match="something else"):
            await store.append(several("b", 1))
        await behind.sql("DELETE FROM log WHERE id = 2")
        assert [one.id for one in (await store.append(several("b", 2))).stored] == [2, 3]


@transactions
async def test_an_old_schema_is_migrated_at_the_server_itself(behind: Subject, database_url: str) -> None:
    """Building an index beside the work takes a session of its own: said in one line, before anything is changed."""
    async with behind.opened():
        pass
    server = Subject(database_url)
    await server.sql("CREATE INDEX log_by_notification_id ON log USING hash (notification_id)")
    await server.sql(f"UPDATE {VERSION_TABLE} SET version_num = '0007'")
    with pytest.raises(BadConfiguration, match="Postgres itself"):
        await migration.migrate(behind.url)
    await migration.migrate(database_url)
    await migration.migrate(behind.url)


@transactions
async def test_an_option_that_the_pooler_refuses_is_named(behind: Subject) -> None:
    """One that the URL has beside our own."""
    store = open_store(f"{behind.url}?search_path=public")
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert "an option of NOTIFY_SSE_DATABASE_URL" in caught.value.advice
    await store.close()


@pytest.mark.parametrize("behind", [("statement", "")], indirect=True)
async def test_pooling_by_statement_is_refused_with_what_to_set(behind: Subject) -> None:
    """It allows no transaction, and the log is nothing without."""
    store = open_store(behind.url)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert "pool_mode" in caught.value.advice
    await store.close()


@transactions
async def test_a_service_works_through_it(behind: Subject, service: ServiceFactory) -> None:
    """Published and delivered live, and replayed."""
    running = await asyncio.to_thread(service, database_url=behind.url, env={"RETENTION_S": "60"})
    async with Api(running) as api:
        async with api.stream("alice") as stream:
            await stream.event("connected")
            cursor = await api.publish("alice")
            assert await stream.notification()
            for _ in range(5):
                await api.publish("alice")
        async with api.stream("alice", last_event_id=cursor) as again:
            await again.event("connected")
            for _ in range(5):
                assert await again.notification()
