"""The Postgres store when Postgres is away, frozen, full or read-only: it says `StoreUnavailable` in time, holds
nothing, and recovers by itself."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sized
from functools import partial
from typing import Any, cast

import asyncpg
import pytest

from notify_sse.core.ports import Store
from notify_sse.errors import StoreUnavailable
from notify_sse.store import open_store
from notify_sse.store.postgres import pool
from tests.store.subject import OUR_CONNECTIONS, Subject, ids, several, until_stored, whole_log
from tests.support.polling import eventually, until
from tests.support.services import PostgresServer

TERMINATE = f"SELECT pg_terminate_backend(pid) FROM {OUR_CONNECTIONS}"
WAITS_FOR_THE_HEAD = f"SELECT pid FROM {OUR_CONNECTIONS} AND wait_event_type = 'Lock' AND query LIKE '%log_append%'"
PIDS = f"SELECT pid FROM {OUR_CONNECTIONS} ORDER BY pid"


@pytest.fixture
def subject(database_url: str) -> Subject:
    return Subject(database_url)


@pytest.fixture
def private(postgres_server: PostgresServer) -> Iterator[Subject]:
    """A database on a server that the test may kill, whatever servers were given to the tests."""
    url = postgres_server.create_database()
    yield Subject(url)
    if not postgres_server.running:
        postgres_server.start()
    postgres_server.thaw()
    postgres_server.drop_database(url)


async def test_a_backend_that_is_killed_within_an_append(subject: Subject) -> None:
    """The caller hears `StoreUnavailable`, nothing of the batch is stored, and the next append leaves no gap."""
    async with subject.opened() as store:
        await store.append(several("before", 2))
        async with _head_locked(subject):
            append = asyncio.create_task(store.append(several("killed", 3)))
            await eventually(lambda: subject.sql(WAITS_FOR_THE_HEAD))
            await subject.sql(TERMINATE)
            with pytest.raises(StoreUnavailable):
                await append
        stored = (await until_stored(store, several("killed", 3))).stored
        assert [(one.outcome, one.id) for one in stored] == [("new", 3), ("new", 4), ("new", 5)]


async def test_a_connection_that_is_lost_in_the_moment_it_is_made(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is closed before it is told how to notice a cut. The store is away then; a crash would end a gateway
    that starts just now.
    """
    connect: Callable[..., Awaitable[asyncpg.Connection]] = asyncpg.connect

    async def lost(*args: Any, **options: Any) -> asyncpg.Connection:
        connection = await connect(*args, **options)
        transport = cast("Any", connection)._transport
        transport.abort()
        await until(lambda: transport.get_extra_info("socket").fileno() == -1, what="the socket's end")
        return connection

    monkeypatch.setattr(asyncpg, "connect", lost)
    store = open_store(subject.url)
    with pytest.raises(StoreUnavailable):
        await store.open()
    monkeypatch.undo()
    await store.open()
    await store.close()


async def test_connections_that_are_cut_while_idle_are_replaced(subject: Subject) -> None:
    """After every connection was terminated, each kind of work goes on."""
    async with subject.opened() as store:
        for number in range(3):
            await until_stored(store, several(f"n{number}", 1))
            await eventually(lambda: _answers(store))
            await subject.sql(TERMINATE)
        await until_stored(store, several("last", 1))
        await eventually(lambda: _answers(store))
        assert ids(await whole_log(store)) == [1, 2, 3, 4]


async def test_a_kill_of_the_server_loses_nothing_that_was_answered(
    private: Subject, postgres_server: PostgresServer
) -> None:
    """SIGKILL of Postgres amid appends: what was answered is there after its restart, with the id that was told, and
    the store that was open all the time goes on."""
    told: dict[str, int] = {}
    stop = asyncio.Event()

    async def write(number: int) -> None:
        for batch in itertools.count():
            if stop.is_set():
                return
            notifications = several(f"{number}-{batch}", 4)
            stored = (await until_stored(store, notifications, within_s=40)).stored
            told.update((one.notification_id, place.id) for one, place in zip(notifications, stored, strict=True))

    async with private.opened() as store:
        async with asyncio.TaskGroup() as writers:
            for number in range(3):
                writers.create_task(write(number))
            for kills in range(2):
                await eventually(partial(_has, told, 200 * (kills + 1)))
                postgres_server.kill()
                await asyncio.to_thread(postgres_server.start)
            await eventually(partial(_has, told, len(told) + 200), within_s=30)
            stop.set()
        await eventually(lambda: _answers(store))
        events = await whole_log(store)
        assert ids(events) == list(range(1, len(events) + 1))
        stored = await private.sql("SELECT convert_from(notification_id, 'UTF8'), id FROM log")
        assert told.items() <= dict(stored).items()


async def test_a_server_that_is_down_at_the_start(private: Subject, postgres_server: PostgresServer) -> None:
    """`open` says so, and can be called again; then it creates the schema as if nothing had been."""
    postgres_server.stop()
    store = open_store(private.url)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.open()
        with pytest.raises(StoreUnavailable):
            await store.append(several("a", 1))
        await asyncio.to_thread(postgres_server.start)
        await eventually(lambda: _opens(store))
        assert (await store.append(several("a", 1))).stored[0].id == 1
    finally:
        await store.close()


async def test_a_server_that_does_not_answer_is_given_up(
    private: Subject, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen (as a silently cut network looks), it costs each caller its timeout and not more, leaks no connection,
    does not keep `close` waiting, and once it answers again everything goes on."""
    for name in ("COMMAND_TIMEOUT_S", "CONNECT_TIMEOUT_S", "CLOSE_TIMEOUT_S"):
        monkeypatch.setattr(pool, name, 0.5)
    async with private.opened() as store, private.opened() as closed_while_frozen:
        await store.append(several("before", 1))
        await closed_while_frozen.head()
        postgres_server.freeze()
        started = time.monotonic()
        attempts: list[Awaitable[object]] = [store.append(several(f"f{number}", 1)) for number in range(4)]
        attempts += [store.after(0, ["recipient:alice"], limit=5) for _ in range(20)]
        outcomes = await asyncio.gather(*attempts, store.head(), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
        await closed_while_frozen.close()
        assert time.monotonic() - started < 10
        postgres_server.thaw()
        await until_stored(store, several("after", 2))
        await eventually(lambda: _answers(store))
        events = await whole_log(store)
        assert ids(events) == list(range(1, len(events) + 1))


async def test_a_database_that_became_read_only_is_waited_for(subject: Subject) -> None:
    """A primary that was demoted refuses to write (SQLSTATE 25006): unavailable, until a connection finds a writable
    one."""
    async with subject.opened() as store:
        await store.append(several("a", 1))
        name = (await subject.sql("SELECT current_database()"))[0][0]
        await subject.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await subject.sql(TERMINATE)
        await eventually(lambda: _answers(store))
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.append(several("b", 1))
        await _execute(
            subject, f'BEGIN READ WRITE; ALTER DATABASE "{name}" RESET default_transaction_read_only; COMMIT'
        )
        await until_stored(store, several("b", 1))
        assert ids(await whole_log(store)) == [1, 2]


@pytest.mark.parametrize("state", ["53100", "53200", "58030", "57014", "40001", "40P01", "55P03", "XX001", "42P01"])
async def test_what_the_database_cannot_do_now_is_unavailable(subject: Subject, state: str) -> None:
    """A full disk, a lack of memory, an I/O error, a timeout, a deadlock, a broken schema: nobody blames the batch, and
    it is stored once the cause is gone."""
    async with subject.opened() as store:
        await subject.sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END$$"
        )
        await subject.sql("CREATE TRIGGER fail BEFORE INSERT ON log EXECUTE FUNCTION fail()")
        with pytest.raises(StoreUnavailable):
            await store.append(several("a", 2))
        await subject.sql("DROP TRIGGER fail ON log")
        assert [one.id for one in (await until_stored(store, several("a", 2))).stored] == [1, 2]


async def test_a_head_that_stays_locked_is_given_up(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends a statement that waits too long; the connection stays."""
    monkeypatch.setitem(pool.SERVER_SETTINGS, "statement_timeout", "200")
    async with subject.opened() as store:
        await store.append(several("a", 1))
        before = await subject.sql(PIDS)
        async with _head_locked(subject):
            with pytest.raises(StoreUnavailable):
                await store.append(several("b", 1))
        await until_stored(store, several("b", 1))
        assert await subject.sql(PIDS) == before


@contextlib.asynccontextmanager
async def _head_locked(subject: Subject) -> AsyncIterator[None]:
    connection = await asyncpg.connect(subject.url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM log_head FOR UPDATE")
            yield
    finally:
        await connection.close()


async def _execute(subject: Subject, script: str) -> None:
    connection = await asyncpg.connect(subject.url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def _answers(store: Store) -> bool:
    try:
        await store.head()
        await store.after(0, ["topic:all"], limit=1)
    except StoreUnavailable:
        return False
    return True


async def _opens(store: Store) -> bool:
    try:
        await store.open()
    except StoreUnavailable:
        return False
    return True


async def _has(told: Sized, count: int) -> bool:
    return len(told) >= count
