"""docs/how-to/postgres.md, as far as it takes a server of its own: TLS, failover, point-in-time recovery."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import httpx
import msgspec
import pytest

from notify_sse.core.model import Notification
from notify_sse.core.ports import Store
from notify_sse.errors import StoreUnavailable
from notify_sse.store import open_store
from notify_sse.store.postgres.diagnosis import diagnose
from notify_sse.store.postgres.pool import PostgresPool, connect
from tests.deploy.replicas import CERTIFIED, Replicating, Standby, of_pid_file
from tests.deploy.test_server_pages import pasted
from tests.support.api import Api, notification
from tests.support.certificate import Authority
from tests.support.event_stream import Message
from tests.support.notifications import parsed
from tests.support.pages import shown
from tests.support.polling import eventually, until
from tests.support.service import Service, ServiceFactory
from tests.support.services import ensure, free_port, private_directory
from tests.support.services.postgres import DATABASE, USER
from tests.support.streams import Listening
from tests.support.tokens import SECRET

PAGE = "how-to/postgres.md"


@pytest.fixture(scope="module")
def _server() -> Iterator[Replicating]:
    ensure("postgres")
    directory = private_directory()
    server = Replicating(directory / "primary")
    try:
        server.start()
        server.sql(f"CREATE ROLE {CERTIFIED} LOGIN")
        server.sql(f"CREATE DATABASE {CERTIFIED} OWNER {CERTIFIED}")
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def primary(_server: Replicating) -> Iterator[Replicating]:
    """Running, with the settings that it had at first, whatever the test before did to it."""
    if not _server.running:
        _server.start()
    yield _server
    _server.kill()
    (_server.data / "postgresql.auto.conf").write_text("")


@pytest.fixture
def standbys() -> Iterator[list[Standby]]:
    """Those in it are removed at the end."""
    made: list[Standby] = []
    yield made
    for standby in made:
        standby.discard()


async def _encrypted(url: str) -> bool:
    connection = await connect(url, settings={}, command_timeout_s=5)
    try:
        return bool(await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    finally:
        await connection.close()


async def test_each_way_of_tls_on_the_page(primary: Replicating) -> None:
    ca = primary.authority.ca
    for query, encrypted in (
        (f"sslmode=verify-full&sslrootcert={ca}", True),
        (f"sslmode=verify-ca&sslrootcert={ca}", True),
        (f"sslmode=require&sslrootcert={ca}", True),
        ("sslmode=require", True),
        ("sslmode=disable", False),
    ):
        assert await _encrypted(f"{primary.url}?{query}") is encrypted, query
    certificate, key = primary.authority.issue(CERTIFIED)
    certified = f"postgresql://{CERTIFIED}@127.0.0.1:{primary.port}/{CERTIFIED}"
    mine = f"sslmode=verify-full&sslrootcert={ca}&sslcert={certificate}&sslkey={key}"
    assert await _encrypted(f"{certified}?{mine}")
    findings = [one async for one in diagnose(f"{certified}?sslmode=verify-full&sslrootcert={ca}")]
    assert [(one.check, one.status) for one in findings] == [("database", "error")]


async def test_a_certificate_that_is_not_trusted_is_named_as_the_cause(primary: Replicating, tmp_path: Path) -> None:
    """Of another authority, or for another name: nothing is sent there; and it is not said that the URL is wrong."""
    other = Authority(tmp_path / "other").ca
    for url in (
        f"{primary.url}?sslmode=verify-full&sslrootcert={other}",
        f"{primary.url}?sslmode=require&sslrootcert={other}",
        primary.url.replace("127.0.0.1", "localhost") + f"?sslmode=verify-full&sslrootcert={primary.authority.ca}",
    ):
        pool = PostgresPool(url, size=1, wait_s=5)
        with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await pool.run(lambda connection: connection.fetch("SELECT 1"))
        await pool.close()
        (finding,) = [one async for one in diagnose(url)]
        for told in (caught.value.advice, finding.advice):
            assert "not of an authority in the sslrootcert" in told
            assert "\n" not in told + finding.detail


async def test_a_host_that_does_not_even_refuse_keeps_nobody_from_the_next(primary: Replicating) -> None:
    """A machine that is off: the others are tried beside it. asyncpg alone would wait there until its time is up."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        off = f"127.0.0.1:{silent.getsockname()[1]}"
        url = primary.url.replace("@", f"@{off},{off},")
        async with asyncio.timeout(4):
            connection = await connect(url, settings={}, command_timeout_s=5)
        await connection.close()
        with pytest.raises(OSError, match=r"refused|Connect"):
            await connect(f"postgresql://u@127.0.0.1:1,127.0.0.1:2/{DATABASE}", settings={}, command_timeout_s=5)


@contextlib.asynccontextmanager
async def _publishing(api: Api, accepted: list[str]) -> AsyncIterator[None]:
    """Meanwhile alice is published to, each until it is accepted; the ids go to `accepted`."""
    going = True

    async def publish() -> None:
        number = 0
        while going:
            document = notification("alice", notification_id=f"n{number}")
            with contextlib.suppress(httpx.HTTPError):
                if (await api.post(document)).status_code in (200, 201):
                    accepted.append(f"n{number}")
                    number += 1
            await asyncio.sleep(0.01)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        going = False
        await task


async def _reaches(accepted: list[str], more: int) -> None:
    wanted = len(accepted) + more
    await until(lambda: len(accepted) >= wanted, what="publishes to be accepted", within_s=30)


@pytest.mark.deadline(90)
async def test_a_failover_to_a_synchronous_standby_loses_and_doubles_nothing(
    primary: Replicating, standbys: list[Standby], service: ServiceFactory
) -> None:
    """The primary is killed under publishing. The open stream goes on, with the epoch that it had."""
    standbys.append(standby := await asyncio.to_thread(primary.standby, "synchronous"))
    (settings,) = [one.commands for one in shown(PAGE, "## Several hosts, and failover") if "ALTER" in one.commands]
    url = primary.create_database().replace(f":{primary.port}", f":{primary.port},127.0.0.1:{standby.port}")
    running = await asyncio.to_thread(service, database_url=f"{url}?target_session_attrs=read-write")
    await pasted(settings, primary.environment, primary.directory)
    async with Api(running) as api:
        await _confirms_nothing_alone(api, primary)
        await asyncio.to_thread(standby.start)
    accepted: list[str] = []
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        async with _publishing(api, accepted):
            await _reaches(accepted, 30)
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.promote)
            await _reaches(accepted, 30)
        await _gets_each_once(stream, accepted)
    await asyncio.to_thread(running.terminate, within_s=15)


async def _confirms_nothing_alone(api: Api, primary: Replicating) -> None:
    """While the standby is away. Nor does it at the second attempt, which finds what the first one stored."""
    for _ in range(2):
        document = notification("somebody", notification_id="once")
        with pytest.raises(httpx.ReadTimeout):
            await api.post(document, timeout=1)
        primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


async def _gets_each_once(stream: Listening, accepted: list[str]) -> None:
    received = [(await stream.notification())["notification_id"] for _ in accepted]
    assert received == accepted
    assert not [one for one in stream.messages if one.event == "reset"]
    assert len({(one.id or "").partition(".")[0] for one in stream.messages}) == 1


@pytest.mark.deadline(90)
async def test_what_an_asynchronous_standby_lacks_is_told_to_every_client(
    primary: Replicating, standbys: list[Standby], service: ServiceFactory
) -> None:
    """The standby was away when the newest were confirmed, and is promoted without them. Their numbers are used again
    before anybody looks: whoever listens is told, and whoever comes back later with a cursor from before.
    """
    url = primary.create_database()
    several = url.replace(f":{primary.port}", f":{primary.port},127.0.0.1:%s")
    standbys.append(standby := await asyncio.to_thread(primary.standby, "asynchronous"))
    running = await asyncio.to_thread(service, database_url=several % standby.port)
    await asyncio.to_thread(standby.start)
    async with Api(running) as api:
        kept = await api.publish("alice", payload={"n": 1})
        await asyncio.to_thread(_has_caught_up, primary)
        await asyncio.to_thread(standby.stop)
        async with api.stream("alice", last_event_id=kept) as stream:
            await stream.event("connected")
            lost = [await api.publish("alice", payload={"n": n}) for n in (2, 3)]
            assert [_number(await stream.event("message")) for _ in lost] == [2, 3]
            await asyncio.to_thread(primary.kill)
            await asyncio.to_thread(standby.start)
            (found,) = [one async for one in diagnose(several % standby.port)]
            assert "promote a standby" in found.advice
            await asyncio.to_thread(standby.promote)
            await _published_again(api, count=6)
            while (message := await stream.next(within_s=20)).event != "reset":
                assert _number(message) >= 10
        reset = message.json()
        assert reset["reason"] == "unknown_epoch"
        assert str(reset["to"]).partition(".")[0] != lost[1].partition(".")[0]
        async with api.stream("alice", last_event_id=lost[1]) as stream:
            await stream.event("connected")
            assert (await stream.event("reset")).json()["reason"] == "unknown_epoch"
        items = (await api.history("alice", order="asc")).json()["items"]
        assert [item["payload"]["n"] for item in items] == [1, *range(10, 16)]
    assert running.log.read_text().count("the log lost events") == 1
    await asyncio.to_thread(running.terminate, within_s=15)


def _number(message: Message) -> int:
    """Of a notification: the `n` in its payload."""
    return int(cast("dict[str, int]", message.json()["payload"])["n"])


def _has_caught_up(primary: Replicating) -> None:
    state = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()"
    while primary.sql(state) != "1":
        pass


async def _published_again(api: Api, *, count: int) -> None:
    """As soon as the new primary takes them, in one request: past the position that the tail has."""
    documents = [notification("alice", notification_id=f"again{n}", payload={"n": n}) for n in range(10, 10 + count)]

    async def taken() -> bool:
        return (await api.post(documents)).status_code == httpx.codes.CREATED

    await eventually(taken, within_s=30, every_s=0.01)


@pytest.mark.deadline(120)
async def test_recovery_to_a_moment_by_the_page(primary: Replicating, service: ServiceFactory, tmp_path: Path) -> None:
    """Each client is told; what was there then is there, once; what came later can be published again."""
    archive, base, epoch = shown(PAGE, "## Point-in-time recovery")[0], *shown(PAGE, "## Point-in-time recovery")[1:3]
    new_epoch = shown(PAGE, "## Point-in-time recovery")[3]
    folder = primary.directory / "operator"
    folder.mkdir()
    primary.give(folder)
    env = primary.environment | {"NOTIFY_SSE_JWT_SECRET": SECRET}
    places = {"/var/backups/push": f"{folder}/backups", "/var/lib/postgresql/push": f"{folder}/push"}
    restored = folder / "push"

    async def paste(commands: str, **more: str) -> None:
        for shown_there, here in (places | more).items():
            commands = commands.replace(shown_there, here)
        done = await asyncio.to_thread(primary.run, f"set -euo pipefail\n{commands}", env)
        assert done.returncode == 0, done.stdout + done.stderr

    await paste(archive.commands)
    await asyncio.to_thread(primary.stop)
    await asyncio.to_thread(primary.start)
    await paste(base.commands)
    url, port = primary.create_database(), free_port()
    name = url.rpartition("/")[2]
    try:
        async with _opened(url) as store:
            await store.append([_parsed(n) for n in range(3)])
            moment = primary.sql("SELECT clock_timestamp()")
            last = await store.append([_parsed(n) for n in (3, 4)])
        await paste(epoch.commands, **{"2026-11-26 10:00:00+00": moment, "5433": str(port)})
        there = f"postgresql://{USER}@127.0.0.1:{port}/{name}"
        program = new_epoch.commands.replace("postgresql://push_owner:CHANGE-ME-1@restored.example.test/push", there)
        await pasted(program, env, tmp_path)
        again = await asyncio.to_thread(service, database_url=there)
        await _is_as_it_was_then(again, f"{last.epoch}.{last.stored[-1].id}")
        await asyncio.to_thread(again.terminate, within_s=15)
    finally:
        if process := of_pid_file(restored):
            process.kill()


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    store = open_store(url)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def _parsed(number: int) -> Notification:
    return parsed(msgspec.json.encode(notification("alice", notification_id=f"n{number}")))


async def _is_as_it_was_then(again: Service, cursor: str) -> None:
    async with Api(again) as api, api.stream("alice", last_event_id=cursor) as stream:
        await stream.event("connected")
        assert (await stream.event("reset")).json()["reason"] == "unknown_epoch"
        answers = [(await api.post(notification("alice", notification_id=f"n{n}"))).status_code for n in range(5)]
        assert answers == [200, 200, 200, 201, 201]
        assert [(await stream.notification())["notification_id"] for _ in range(2)] == ["n3", "n4"]
        items = (await api.history("alice", order="asc")).json()["items"]
        assert [item["notification_id"] for item in items] == [f"n{n}" for n in range(5)]
