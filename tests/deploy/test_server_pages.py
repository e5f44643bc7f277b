"""docs/how-to/postgres.md and rabbitmq.md: every block, run against the real servers; only hosts are changed."""

import asyncio
import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest

from notify_sse.bench.capacity import DATABASE_CONNECTIONS
from tests.deploy.conftest import PATH
from tests.support.api import Api
from tests.support.certificate import Authority
from tests.support.encrypted import encrypt
from tests.support.pages import Shown, printed, script, shown
from tests.support.polling import eventually
from tests.support.service import ServiceFactory
from tests.support.services import PostgresServer, RabbitServer, ensure
from tests.support.tokens import SECRET


async def _pasted(blocks: list[Shown], env: Mapping[str, str], folder: Path, **replaced: str) -> list[str]:
    """What the blocks print, one after the other in one shell that ends at the first failure."""
    program = script(blocks)
    for name, value in replaced.items():
        program = program.replace(name if "/" in name else name.replace("__", "-").replace("_", "."), value)
    return printed(await pasted(program, env, folder))


async def pasted(program: str, env: Mapping[str, str], folder: Path) -> str:
    """What a shell program prints; it ends at the first failure."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", f"set -euo pipefail\n{program}"],
        env=dict(env),
        cwd=folder,
        input="y\n" * 9,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.deadline(120)
async def test_the_page_on_postgres_leads_to_a_service_and_back_from_a_backup(
    superuser: dict[str, str], postgres_server: PostgresServer, service: ServiceFactory, tmp_path: Path
) -> None:
    """The service runs as the user with few rights. A restored dump has a new epoch: a client with an older cursor is
    told, and what was stored at the time of the dump is there.
    """
    server = f"127.0.0.1:{superuser['PGPORT']}"
    hosts = {"db__2_example_test": "127.0.0.1:1", "db_example_test": server}

    async def paste(*headings: str) -> None:
        await _pasted(
            [block for each in headings for block in shown("how-to/postgres.md", each)], env, tmp_path, **hosts
        )

    env = superuser
    await paste("## A database and two users", "## Several hosts, and failover", "## Autovacuum", "## Size")
    url = f"postgresql://push:CHANGE-ME-2@{server}/push"
    running = await asyncio.to_thread(service, database_url=url)
    async with Api(running) as api:
        await asyncio.gather(*(api.publish(f"r{number}") for number in range(40)), api.publish("alice"))
        await asyncio.gather(*(api.history(f"r{number}") for number in range(40)))
    taken = postgres_server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'push'")
    assert 2 <= int(taken) <= DATABASE_CONNECTIONS, "as the page says"
    dump, restore = shown("how-to/postgres.md", "## Backup and restore")
    await _pasted([dump], env, tmp_path, **hosts)
    async with Api(running) as api:
        cursor = await api.publish("alice")
    await asyncio.to_thread(running.terminate, within_s=15)
    await _pasted([restore], env, tmp_path, **hosts)
    restored = await asyncio.to_thread(service, database_url=f"{url}_restored")
    async with Api(restored) as api, api.stream("alice", last_event_id=cursor) as stream:
        await stream.event("connected")
        assert (await stream.event("reset")).json()["reason"] == "unknown_epoch"
        assert len((await api.history("alice")).json()["items"]) == 1
    await asyncio.to_thread(restored.terminate, within_s=15)


async def test_a_backup_of_the_sqlite_file_by_the_page(service: ServiceFactory, tmp_path: Path) -> None:
    """Taken while the service writes; what is in its write-ahead log is in the copy."""
    ensure("sqlite3")
    copy, restore = shown("how-to/postgres.md", "## SQLite")
    state = tmp_path / "state"
    env = {"PATH": PATH, "NOTIFY_SSE_STATE_DIR": str(state), "NOTIFY_SSE_JWT_SECRET": SECRET}
    url = f"sqlite:///{state}"
    state.mkdir(mode=0o700)
    running = await asyncio.to_thread(service, database_url=f"{url}/log.db", env={"STATE_DIR": str(state)})
    async with Api(running) as api:
        await api.publish("alice")
        await _pasted([copy], env, tmp_path)
        cursor = await api.publish("alice")
    await asyncio.to_thread(running.terminate, within_s=15)
    await _pasted([restore], env, state)
    restored = await asyncio.to_thread(service, database_url=f"{url}/copy.db")
    async with Api(restored) as api, api.stream("alice", last_event_id=cursor) as stream:
        await stream.event("connected")
        assert (await stream.event("reset")).json()["reason"] == "unknown_epoch"
        assert len((await api.history("alice")).json()["items"]) == 1


@pytest.mark.deadline(120)
async def test_the_page_on_rabbitmq_leads_to_a_service_and_a_publisher_with_few_rights(
    operator: dict[str, str], rabbitmq_server: RabbitServer, service: ServiceFactory, tmp_path: Path
) -> None:
    hosts = {"broker_example_test": f"127.0.0.1:{rabbitmq_server.port}"}
    operator["NOTIFY_SSE_DATABASE_URL"] = f"sqlite:///{tmp_path / 'doctor.db'}"
    first = shown("how-to/rabbitmq.md", "## A virtual host and two users")
    await _pasted(first, operator, tmp_path, **hosts)
    authority = Authority(tmp_path / "certificates")
    port = encrypt(rabbitmq_server, authority.ca, authority.issue("broker", hosts=("127.0.0.1",)))
    (encrypted,) = shown("how-to/rabbitmq.md", "## TLS")
    own = {"broker_example_test": f"127.0.0.1:{port}", "/etc/notify-sse/mq-ca.pem": str(authority.ca)}
    assert "reached: amqps://" in "".join(await _pasted([encrypted], operator, tmp_path, **own))
    url = f"amqp://push:CHANGE-ME-1@127.0.0.1:{rabbitmq_server.port}/push"
    running = await asyncio.to_thread(service, broker_url=url)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        await eventually(lambda: _connected(api), what="the broker")
        (listed,) = await _pasted(shown("how-to/rabbitmq.md", "## See that it works"), operator, tmp_path, **hosts)
        assert (await stream.notification())["payload"] == {"text": "hi"}
    assert {tuple(line.split()[:2]) for line in listed.splitlines()} >= {
        ("notifications.ingest", "quorum"),
        ("notifications.dead", "quorum"),
    }
    await asyncio.to_thread(
        _may_only_publish, f"amqp://push-publisher:CHANGE-ME-2@127.0.0.1:{rabbitmq_server.port}/push"
    )
    await asyncio.to_thread(running.terminate, within_s=15)


def _may_only_publish(url: str) -> None:
    """To the one exchange: nothing is read, made or removed, and nobody is told anything."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    with contextlib.closing(connection):
        for forbidden in (
            lambda channel: channel.basic_get("notifications.ingest"),
            lambda channel: channel.queue_purge("notifications.dead"),
            lambda channel: channel.queue_declare("notifications.mine"),
            lambda channel: channel.queue_bind("notifications.dead", "notifications", "#"),
            lambda channel: channel.exchange_delete("notifications"),
            lambda channel: _confirmed(channel, "notifications.live"),
            lambda channel: _confirmed(channel, "notifications.dlx"),
        ):
            with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
                forbidden(connection.channel())


def _confirmed(channel: Any, exchange: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish(exchange, "log", b"{}")


async def _connected(api: Api) -> bool:
    return await api.metric("notify_sse_broker_connected") == 1
