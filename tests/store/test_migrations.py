"""The schema: made on an empty database, the same on both, by any number of processes at once; and a database that is
behind or ahead is told from one that is right."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from notify_sse.errors import BadConfiguration, SchemaOutdated, StoreUnavailable
from notify_sse.store import diagnose, migrate, migration, open_store, schema
from notify_sse.store.postgres import migration as postgres_migration
from notify_sse.store.postgres import store as postgres_store
from tests.store.subject import Subject, current_revision, ids, notification, several, whole_log
from tests.support.services import PostgresServer

ROOT = Path(__file__).parents[2]
LATER = """
from alembic import op
revision = "9999"
down_revision = {down!r}
branch_labels = depends_on = None
{more}
def upgrade():
    op.get_bind().exec_driver_sql("CREATE TABLE later (x integer)")
"""
MIGRATE = """
import asyncio, sys
from notify_sse.store import migrate
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(migrate(sys.argv[1])).before)
"""
COLUMNS = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
    "postgres": "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
}
INDEXES = {
    "sqlite": "SELECT name, (SELECT group_concat(name) FROM pragma_index_info(m.name)) FROM sqlite_master m "
    "WHERE type = 'index' AND sql IS NOT NULL",
    "postgres": "SELECT c.relname, (SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_attribute a "
    "WHERE a.attrelid = c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE NOT i.indisprimary AND c.relnamespace = 'public'::regnamespace",
}


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.fixture
def upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[None]]:
    """Within it, this program is a later version, with one more revision, whose file has the line `more`."""
    scripts = tmp_path / "migrations"
    shutil.copytree(schema.scripts(), scripts)
    down = schema.expected_revision()

    @contextlib.contextmanager
    def later(more: str = "") -> Iterator[None]:
        (scripts / "versions" / "9999_later.py").write_text(LATER.format(down=down, more=more))
        with monkeypatch.context() as patch:
            patch.setattr(schema, "scripts", lambda: scripts)
            yield

    return later


@pytest.fixture
def before_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[None]]:
    """Within it, this program's newest revision is 0001."""
    scripts = tmp_path / "before"
    shutil.copytree(schema.scripts(), scripts, ignore=shutil.ignore_patterns("000[2-9]*"))

    @contextlib.contextmanager
    def before() -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(schema, "scripts", lambda: scripts)
            yield

    return before


async def test_an_empty_database_is_brought_to_the_expected_revision(subject: Subject) -> None:
    """`migrate` says what it found and what it made; again, it changes nothing. Looking creates nothing."""
    assert await current_revision(subject.url) is None
    assert await current_revision(subject.url) is None
    expected = schema.expected_revision()
    assert await migrate(subject.url) == schema.Migrated(None, expected)
    epoch = await subject.sql("SELECT epoch FROM log_head")
    assert await migrate(subject.url) == schema.Migrated(expected, expected)
    assert await current_revision(subject.url) == expected
    assert await subject.sql("SELECT epoch FROM log_head") == epoch


async def test_both_databases_have_the_same_tables(sqlite_url: str, database_url: str) -> None:
    """Same tables, columns and indexes: whoever knows one log knows the other."""
    found = []
    for kind, url in (("sqlite", sqlite_url), ("postgres", database_url)):
        await migrate(url)
        columns = sorted(tuple(row) for row in await Subject(url).sql(COLUMNS[kind]))
        found.append((columns, sorted(tuple(row) for row in await Subject(url).sql(INDEXES[kind]))))
    assert found[0] == found[1]
    assert ("log", "notification_id") in found[0][0]
    assert ("log_channel", "channel,id") in found[0][1]


async def test_logs_differ_in_their_epoch(tmp_path: Path) -> None:
    """An epoch is random: a log made anew in the same place is told from the one before."""
    epochs = set()
    for number in range(5):
        url = f"sqlite:///{tmp_path / str(number)}"
        await migrate(url)
        epochs |= set(await Subject(url).sql("SELECT epoch FROM log_head"))
    assert len(epochs) == 5


async def test_many_processes_may_migrate_at_once(subject: Subject) -> None:
    """Started on an empty database at the same moment, one creates the schema and the others find it done."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, subject.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        for _ in range(5)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    outcomes = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    said = sorted(output.decode().strip() for output, _ in outcomes)
    assert said == sorted(["None"] + [schema.expected_revision()] * 4), outcomes
    async with subject.opened() as store:
        assert (await store.append(several("a", 1))).stored[0].id == 1


async def test_many_stores_may_open_an_empty_database_at_once(subject: Subject) -> None:
    """As the workers of one service do at its first start."""
    stores = [open_store(subject.url) for _ in range(6)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        assert len({(await store.head()).epoch for store in stores}) == 1
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_an_outdated_postgres_waits_for_a_person(
    database_url: str, upgraded: Callable[..., AbstractContextManager[None]]
) -> None:
    """`open` names the command and changes nothing; after `migrate` it opens, with the log as it was."""
    async with Subject(database_url).opened() as store:
        await store.append(several("a", 2))
    with upgraded():
        store = open_store(database_url)
        with pytest.raises(SchemaOutdated, match="run notify-sse migrate"):
            await store.open()
        assert await current_revision(database_url) != "9999"
        assert (await migrate(database_url)).after == "9999"
        await store.open()
        assert ids(await whole_log(store)) == [1, 2]
        await store.close()


async def test_an_outdated_sqlite_migrates_itself(
    sqlite_url: str, upgraded: Callable[..., AbstractContextManager[None]]
) -> None:
    """The embedded log belongs to this program alone, so `open` brings it up to date and keeps what is in it."""
    subject = Subject(sqlite_url)
    async with subject.opened() as store:
        await store.append(several("a", 2))
    with upgraded():
        async with subject.opened() as store:
            assert await current_revision(sqlite_url) == "9999"
            assert ids(await whole_log(store)) == [1, 2]


async def test_an_older_program_works_on_a_newer_schema_that_is_compatible(
    subject: Subject, upgraded: Callable[..., AbstractContextManager[None]]
) -> None:
    """Nothing that the newer revision says of itself breaks this version: a host that comes back, or a version that is
    rolled back, starts. It changes nothing, by `migrate` either, and the newer program finds its schema as it was.
    """
    async with subject.opened() as store:
        await store.append(several("a", 2))
    with upgraded():
        await migrate(subject.url)
    assert await subject.sql("SELECT * FROM notify_sse_schema") == [("9999", "0001", "9999")]
    async with subject.opened() as store:
        assert ids(await whole_log(store)) == [1, 2]
        assert (await store.append(several("b", 1))).stored[0].id == 3
    assert await migrate(subject.url) == schema.Migrated("9999", "9999")
    [told] = [one async for one in diagnose(subject.url) if one.check == "migrations"]
    assert (told.status, "newer" in told.detail) == ("ok", True)
    with upgraded():
        async with subject.opened() as store:
            assert ids(await whole_log(store)) == [1, 2, 3]


def test_every_revision_names_one_that_its_programs_can_be_mixed_with() -> None:
    """`compatible_from` is a revision that is there, the file's own at most, and never an older one than before."""
    scripts = [*ScriptDirectory.from_config(migration._config()).walk_revisions()][::-1]
    order = [script.revision for script in scripts]
    assert order == schema.revisions(), "the names of their files tell it"
    declared = [getattr(script.module, "compatible_from", None) for script in scripts]
    places = [order.index(one) if one else 0 for one in declared]
    assert all(place <= own for own, place in enumerate(places))
    assert [place for place in places if place] == sorted(place for place in places if place)
    assert migration.compatible_from() in order


def test_a_schema_leaves_those_behind_whose_revision_is_older_than_the_oldest_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not migration.leaves_behind(None)
    assert not migration.leaves_behind(schema.Schema("0001"))
    monkeypatch.setattr(migration, "compatible_from", lambda: "0004")
    assert migration.leaves_behind(schema.Schema("0003"))
    assert not migration.leaves_behind(schema.Schema("0004"))
    assert not migration.leaves_behind(schema.Schema("9999", "0001"))


async def test_a_newer_schema_is_left_alone(
    subject: Subject, upgraded: Callable[..., AbstractContextManager[None]]
) -> None:
    """An older program on a newer database that breaks it says that it is the one to upgrade, whether it opens or
    migrates; and so it does where nobody says what that one is compatible with, or says it of another revision.
    """
    with upgraded(more='compatible_from = "9999"'):
        await migrate(subject.url)
    store = open_store(subject.url)
    with pytest.raises(SchemaOutdated, match="upgrade this one"):
        await store.open()
    with pytest.raises(SchemaOutdated, match="upgrade this one"):
        await migrate(subject.url)
    for said in ("compatible_from = NULL", "compatible_from = '0001', compatible_for = '9998'"):
        await subject.sql(f"UPDATE notify_sse_schema SET {said}")
        with pytest.raises(SchemaOutdated, match="upgrade this one"):
            await store.open()
    assert await current_revision(subject.url) == "9999"
    await store.close()


async def test_a_failed_migration_leaves_nothing(
    subject: Subject, upgraded: Callable[..., AbstractContextManager[None]]
) -> None:
    """A revision that fails takes those before it back: the database is empty, or as it was."""
    with upgraded():
        later = next(schema.scripts().glob("versions/9999*"))
        later.write_text(later.read_text().replace("(x integer)", "(x integer); nonsense"))
        with pytest.raises(StoreUnavailable):
            await migrate(subject.url)
        assert await current_revision(subject.url) is None
    assert (await migrate(subject.url)).before is None


async def test_a_user_without_the_right_is_told_so(postgres_server: PostgresServer) -> None:
    """A service account that may not create tables: a person is needed, and the message says for what."""
    url = postgres_server.create_database()
    name = urlsplit(url).path[1:]
    role = f"reader_{name}"
    postgres_server.sql(f'CREATE ROLE "{role}" LOGIN')
    try:
        with pytest.raises(SchemaOutdated, match="may not change the schema"):
            await open_store(url.replace("//notify:notify@", f"//{role}@")).open()
    finally:
        postgres_server.drop_database(url)
        postgres_server.sql(f'DROP ROLE "{role}"')


async def test_a_database_that_is_down_cannot_be_migrated(free_port: int) -> None:
    """Every way to ask says `StoreUnavailable`, and nothing else."""
    url = f"postgresql://nobody@127.0.0.1:{free_port}/nothing"
    for asked in (migrate, current_revision):
        with pytest.raises(StoreUnavailable):
            await asked(url)


async def test_a_place_where_no_database_can_be_is_a_wrong_setting(tmp_path: Path) -> None:
    """Waiting does not mend it: below a file, in place of a folder, over somebody's document."""
    (tmp_path / "file").touch()
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_DATABASE_URL: "):
        await migrate(f"sqlite:///{tmp_path / 'file' / 'log.db'}")
    (tmp_path / "garbage.db").write_bytes(b"not a database" * 100)
    (tmp_path / "folder.db").mkdir()
    for asked in (migrate, current_revision):
        for name in ("garbage.db", "folder.db"):
            with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_DATABASE_URL: "):
                await asked(f"sqlite:///{tmp_path / name}")


async def test_ids_become_those_of_their_channel(
    subject: Subject, before_identity: Callable[[], AbstractContextManager[None]]
) -> None:
    """The log stays as it is; what was known stays known, and the same id for another channel is new."""
    with before_identity():
        await migrate(subject.url)
        assert await current_revision(subject.url) == "0001"
    insert = "INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms) VALUES "
    one = notification("order-1")
    blobs = [_bytes(subject, value) for value in (b"order-1", b"recipient:alice", one.body, one.digest)]
    values = f"1, {blobs[0]}, {blobs[1]}, 'new_message', {blobs[2]}, {blobs[3]}, 0, 9999999999999"
    await subject.sql(f"{insert} ({values})")
    await subject.sql("UPDATE log_head SET position = 1")
    await migrate(subject.url)
    async with subject.opened() as store:
        stored = (await store.append([one, notification("order-1", channel="recipient:bob")])).stored
        assert [(each.outcome, each.id) for each in stored] == [("duplicate", 1), ("new", 2)]


def _bytes(subject: Subject, value: bytes) -> str:
    return f"x'{value.hex()}'" if subject.url.startswith("sqlite") else f"'\\x{value.hex()}'"


def _append_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a program of before revision 0006, by the function of six arguments."""
    columns = postgres_store._columns
    monkeypatch.setattr(postgres_store, "APPEND", "SELECT * FROM log_append($1, $2, $3, $4, $5, $6)")
    monkeypatch.setattr(postgres_store, "_columns", lambda batch: columns(batch)[:6])


async def test_a_running_postgres_is_migrated_beside_its_writers(
    database_url: str, before_identity: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program of the version before appends all the while, also while a backup holds the table, and after it. An
    index that somebody's attempt left unfinished is made anew.
    """
    subject = Subject(database_url)
    monkeypatch.setattr(postgres_migration, "LOCKED_OUT_PAUSE_S", 0.2)
    _append_as_before(monkeypatch)
    with before_identity():
        older = open_store(database_url)
        await older.open()
    await older.append(several("a", 50))
    await subject.sql("CREATE UNIQUE INDEX log_identity_by_id ON log (notification_id, channel)")
    await subject.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'log_identity_by_id'::regclass")
    backup = await asyncpg.connect(database_url)
    reading = backup.transaction(isolation="repeatable_read")
    await reading.start()
    await backup.fetch("SELECT count(*) FROM log")
    migrating = asyncio.ensure_future(migrate(database_url))
    for number in range(30):
        async with asyncio.timeout(30):
            assert (await older.append([notification(f"b-{number}")])).stored[0].outcome == "new"
        await asyncio.sleep(0.02)
    assert not migrating.done()
    await reading.rollback()
    await backup.close()
    await migrating
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'log_identity'::regclass"
    assert await subject.sql(valid) == [(True,)]
    assert [one.outcome for one in (await older.append(several("a", 2))).stored] == ["duplicate"] * 2
    assert (await older.append([notification("a-1", channel="topic:x")])).stored[0].outcome == "new"
    await older.close()
