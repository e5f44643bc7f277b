"""What only the Postgres store can break: its connections, its plans, its rows that somebody else wrote."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from notify_sse.errors import BadConfiguration, StoreRefused, StoreUnavailable
from notify_sse.store import diagnose, migrate, open_store
from notify_sse.store.postgres import grants, pool
from notify_sse.store.postgres.store import PostgresStore
from tests.store.subject import OUR_CONNECTIONS, Subject, notification, several
from tests.support.polling import eventually
from tests.support.services import PostgresServer

PIDS = f"SELECT pid FROM {OUR_CONNECTIONS} ORDER BY pid"


@pytest.fixture
def subject(database_url: str) -> Subject:
    return Subject(database_url)


async def test_what_the_database_will_never_take_is_refused(subject: Subject) -> None:
    """NUL in a text column, an index entry over its bound: the batch is to blame, and can be told from bad luck. The
    message holds nothing of the content."""
    async with subject.opened() as store:
        secret = "secret" * 3000
        for refused in (
            notification("nul", kind="a\x00b", text=secret),
            notification("".join(map(chr, range(2000, 8000))), text=secret),
            notification("large", expires_ms=2**63, text=secret),
        ):
            with pytest.raises(StoreRefused) as caught:
                await store.append([notification("innocent"), refused])
            assert "secret" not in str(caught.value)
            assert caught.value.__cause__ is None
        assert (await store.append([notification("innocent")])).stored[0].id == 1


async def test_replays_do_not_keep_appends_or_repairs_waiting(subject: Subject) -> None:
    """With every replay connection busy, and more replays waiting, an append and a repair take their usual time."""
    store = PostgresStore(subject.url, replay_connections=2)
    try:
        await store.open()
        slow = "SELECT pg_sleep(60), $1::bytea[], $2::bigint, $3::bigint, $4::text[], $5::int"
        quick, store._ascending = store._ascending, slow
        replays = [asyncio.create_task(store.after(0, ["topic:all"], limit=5)) for _ in range(4)]
        await eventually(lambda: subject.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' OFFSET 1"))
        async with asyncio.timeout(30):
            await store.append(several("a", 5))
            assert len((await store.stretch(0, limit=9)).events) == 5
        store._ascending = quick
        for replay in replays:
            replay.cancel()
        await asyncio.gather(*replays, return_exceptions=True)
        assert len((await store.after(0, ["recipient:alice"], limit=9)).events) == 5
    finally:
        await store.close()


async def test_a_caller_that_leaves_costs_no_connection(subject: Subject) -> None:
    """Clients come and go in the middle of their replays by the thousand: connections stay, they are not made anew."""
    async with subject.opened() as store:
        await store.append(several("a", 50))
        await asyncio.gather(*(store.after(0, ["recipient:alice"], limit=50) for _ in range(20)))
        before = await subject.sql(PIDS)
        for turns in range(60):
            replays = [asyncio.create_task(store.after(0, ["recipient:alice"], limit=50)) for _ in range(4)]
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            for replay in replays:
                replay.cancel()
            await asyncio.wait(replays)
        assert len((await store.after(0, ["recipient:alice"], limit=99)).events) == 50
        assert await subject.sql(PIDS) == before


async def test_retention_does_not_wait_for_retention(subject: Subject) -> None:
    """While another process removes (and is slow about it), this one is told that there is nothing to do for it."""
    async with subject.opened() as store:
        await store.append(several("a", 5))
        other = await asyncpg.connect(subject.url)
        try:
            async with other.transaction():
                assert await other.fetchval("SELECT log_expire(0, 2)") == 2
                async with asyncio.timeout(20):
                    assert await store.expire(retention_s=0, limit=2) == 0
            assert await store.expire(retention_s=0, limit=9) == 3
        finally:
            await other.close()


async def test_a_writer_past_the_head_does_not_make_a_second_one(subject: Subject) -> None:
    """A row that was written without the head's lock: its notification_id is a duplicate, and its id stops the log
    (which a person must mend) rather than being used twice."""
    async with subject.opened() as store:
        await store.append(several("a", 1))
        copy = (
            "INSERT INTO log SELECT {id}, '{name}', channel, type, body, digest, expires_ms, created_ms FROM log "
            "WHERE id = 1"
        )
        await subject.sql(copy.format(id=50, name="x"))
        assert [(one.outcome, one.id) for one in (await store.append([notification("x")])).stored] == [
            ("duplicate", 50)
        ]
        await subject.sql(copy.format(id=2, name="y"))
        with pytest.raises(StoreUnavailable, match="something else"):
            await store.append([notification("z")])
        await subject.sql("DELETE FROM log WHERE id > 1")
        assert (await store.append([notification("z")])).stored[0].id == 2


async def test_a_replay_never_scans_the_log(subject: Subject) -> None:
    """However statistics stand, a replay of a channel is read from that channel's part of the index."""
    async with subject.opened() as store:
        await store.append(several("a", 3000, channel="topic:all"))
        await subject.sql("ANALYZE log")
        connection = await pool.connect(
            subject.url,
            settings=pool.SERVER_SETTINGS | {"plan_cache_mode": "force_generic_plan"},
            command_timeout_s=5,
        )
        try:
            for name in ("ascending", "descending"):
                sql = Path(pool.__file__).with_name("sql") / f"{name}.sql"
                await connection.execute(
                    f"PREPARE {name} (bytea[], bigint, bigint, text[], int) AS {sql.read_text('utf-8')}"
                )
                plan = await connection.fetch(f"EXPLAIN EXECUTE {name} ('{{nobody}}', 0, 99999999, null, 500)")
                text = "\n".join(line for (line,) in plan)
                assert "Index Scan using log_channel" in text or "Index Scan Backward using log_channel" in text
                assert "log_pkey" not in text
                assert "Seq Scan" not in text
        finally:
            await connection.close()


async def test_a_url_that_cannot_be_parsed_is_a_wrong_setting() -> None:
    """It is told apart from a database that is down, in one line that does not repeat the password."""
    store = open_store("postgresql://user:sec/ret@host:x/db")
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_DATABASE_URL: ") as caught:
        await store.open()
    assert "sec" not in str(caught.value)
    await store.close()


async def test_several_hosts_and_a_folder_of_sockets_are_taken(database_url: str, free_port: int) -> None:
    """As asyncpg takes them: the first host that answers and fits; a socket, where the server has one."""
    parts = urlsplit(database_url)
    several = parts._replace(netloc=f"notify:notify@127.0.0.1:{free_port},127.0.0.1:{parts.port}").geturl()
    in_query = f"postgresql://notify:notify@{parts.path}?host=127.0.0.1,127.0.0.1&port={free_port},{parts.port}"
    for url in (f"{several}?target_session_attrs=primary", in_query):
        store = open_store(url)
        await store.open()
        assert (await store.head()).position == 0
        await store.close()


@pytest.mark.parametrize(
    ("refusal", "advised"),
    [
        (asyncpg.ProtocolViolationError("unsupported startup parameter: search_path"), "ignore_startup_parameters"),
        (asyncpg.ProtocolViolationError("transaction blocks not allowed in statement pooling mode"), "pool_mode"),
        (asyncpg.ProtocolViolationError("no such database: push"), "does not exist"),
        (asyncpg.InsufficientPrivilegeError("permission denied for table log"), "notify-sse doctor"),
    ],
)
def test_what_only_a_person_can_end_comes_with_advice(refusal: asyncpg.PostgresError, advised: str) -> None:
    """A pooler in front that does not fit, a privilege that is missing: said at once, and what to set."""
    ours = pool.translated(refusal)
    assert isinstance(ours, StoreUnavailable)
    assert advised in ours.advice


@pytest.fixture
def granted(postgres_server: PostgresServer) -> Iterator[tuple[str, str, str]]:
    """The URL of a database as its owner, the URL as another user without a privilege, and that user's name."""
    url = postgres_server.create_database()
    role = f"service_{urlsplit(url).path[1:]}"
    postgres_server.sql(f'CREATE ROLE "{role}" LOGIN')
    yield url, url.replace("//notify:notify@", f"//{role}@"), role
    postgres_server.drop_database(url)
    postgres_server.sql(f'DROP ROLE "{role}"')


async def test_missing_privileges_are_named_all_at_once_as_statements(
    granted: tuple[str, str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """At the start and by doctor. With them run, everything works; without DELETE alone it starts, and says so."""
    url, as_service, role = granted
    await migrate(url)
    store = open_store(as_service)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    for statement in ("DELETE ON log TO", "SELECT, UPDATE ON log_head TO", "SELECT ON notify_sse_schema TO"):
        assert statement in caught.value.advice
    found = {one.check: one async for one in diagnose(as_service)}
    statements = found["grants"].advice.partition("run: ")[2]
    assert statements == caught.value.advice.partition("run: ")[2]
    assert statements.count(role) == len(grants.NEEDED)
    for statement in statements.replace(", DELETE ON log TO", " ON log TO").split(";")[:-1]:
        await Subject(url).sql(statement)
    caplog.set_level(logging.ERROR)
    await store.open()
    assert [record.getMessage().partition("run: ")[2] for record in caplog.records] == [
        f"GRANT DELETE ON log TO {role};"
    ]
    assert (await store.append(several("a", 2))).stored[1].id == 2
    with pytest.raises(StoreUnavailable):
        await store.expire(retention_s=0, limit=10)
    await Subject(url).sql(f"GRANT DELETE ON log TO {role}")
    assert await store.expire(retention_s=0, limit=10) == 2
    await store.close()
    assert "grants" not in {one.check async for one in diagnose(as_service)}
