"""What RabbitMQ has back while the database is away comes again, and is stored once: with an id or without one."""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.support.services import PostgresServer, RabbitServer
from tests.system.said import complaints

CONSUMER_TIMEOUT_MS = 3000
LARGE_MESSAGES, LARGE_BYTES = 40, 8_388_608


def _publish(broker_url: str, prefix: str, numbers: Sequence[int]) -> None:
    """Without ids: nothing but the number tells them apart."""
    with publisher(broker_url, prefix) as channel:
        for number in numbers:
            channel.publish(notification("alice", payload={"number": number}))


async def _stored(database_url: str) -> list[int]:
    """The numbers in the log, in its order."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT body FROM log ORDER BY id")
    finally:
        await connection.close()
    return [json.loads(row["body"])["payload"]["number"] for row in rows]


def _dead(broker_url: str, prefix: str) -> int:
    with publisher(broker_url, prefix) as channel:
        return len(list(channel.dead_letters()))


async def _all_there(database_url: str, rabbit: RabbitServer, prefix: str, count: int) -> None:
    async def there() -> bool:
        waiting = await asyncio.to_thread(rabbit.ctl, "list_queues", "name", "messages")
        return f"{prefix}.ingest\t0" in waiting and len(set(await _stored(database_url))) == count

    await eventually(there, what="everything to be stored", within_s=60)


async def _closed(rabbit: RabbitServer, api: Api) -> None:
    """Every connection is closed, and the service is back on a new one."""
    before = await api.metric("notify_sse_broker_connects_total")
    await asyncio.to_thread(rabbit.close_all_connections)

    async def back() -> bool:
        return await api.metric("notify_sse_broker_connects_total") > before

    await eventually(back, what="a new connection", within_s=20)


@contextlib.contextmanager
def _impatient(rabbit: RabbitServer) -> Iterator[None]:
    """A broker that takes back what is not acked within seconds."""
    rabbit.ctl("eval", f"application:set_env(rabbit,consumer_timeout,{CONSUMER_TIMEOUT_MS}).")
    rabbit.ctl("eval", "application:set_env(rabbit,channel_tick_interval,1000).")
    try:
        yield
    finally:
        rabbit.ctl("eval", "application:set_env(rabbit,consumer_timeout,1800000).")
        rabbit.ctl("eval", "application:set_env(rabbit,channel_tick_interval,60000).")


@contextlib.asynccontextmanager
async def _locked_head(database_url: str) -> AsyncIterator[None]:
    """Another program holds the row that every append needs."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM log_head FOR UPDATE")
            yield
    finally:
        await connection.close()


@pytest.mark.deadline(120)
async def test_connections_lost_while_the_database_is_away_store_nothing_twice(
    rabbitmq_server: RabbitServer,
    postgres_server: PostgresServer,
    database_url: str,
    amqp_prefix: str,
    service: ServiceFactory,
) -> None:
    """Each loss has RabbitMQ deliver everything again: what the lost connection brought is forgotten."""
    options: dict[str, Any] = {
        "broker_url": rabbitmq_server.url,
        "amqp_prefix": amqp_prefix,
        "database_url": database_url,
    }
    running = await asyncio.to_thread(service, **options)
    async with Api(running) as api:
        await asyncio.to_thread(postgres_server.kill)
        await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, range(1000))
        for _ in range(5):
            await _closed(rabbitmq_server, api)
        await asyncio.to_thread(postgres_server.start)
        await _all_there(database_url, rabbitmq_server, amqp_prefix, 1000)
        assert await _stored(database_url) == list(range(1000))
    assert await asyncio.to_thread(_dead, rabbitmq_server.url, amqp_prefix) == 0


@pytest.mark.deadline(120)
async def test_a_connection_lost_during_a_commit_stores_at_most_that_batch_twice(
    rabbitmq_server: RabbitServer, database_url: str, amqp_prefix: str, service: ServiceFactory
) -> None:
    """Whether the commit succeeds cannot be known; everything behind it comes again, and only from there."""
    options: dict[str, Any] = {
        "broker_url": rabbitmq_server.url,
        "amqp_prefix": amqp_prefix,
        "database_url": database_url,
    }
    running = await asyncio.to_thread(service, env={"INGEST_BATCH": "20"}, **options)
    async with Api(running) as api:
        async with _locked_head(database_url):
            await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, range(300))
            await _closed(rabbitmq_server, api)
        await _all_there(database_url, rabbitmq_server, amqp_prefix, 300)
        copies = Counter(await _stored(database_url))
    assert set(copies) == set(range(300))
    assert max(copies.values()) <= 2
    assert copies.total() <= 300 + 20


@pytest.mark.deadline(180)
async def test_deliveries_wait_in_the_queue_however_long_the_database_is_away(
    rabbitmq_server: RabbitServer,
    postgres_server: PostgresServer,
    database_url: str,
    amqp_prefix: str,
    service: ServiceFactory,
) -> None:
    """Through many consumer timeouts: given back once, so that no delivery limit is reached, and nobody is advised to
    delete a queue that holds them.
    """
    options: dict[str, Any] = {
        "broker_url": rabbitmq_server.url,
        "amqp_prefix": amqp_prefix,
        "database_url": database_url,
    }
    with _impatient(rabbitmq_server):
        running = await asyncio.to_thread(service, **options)
        async with Api(running) as api:
            await asyncio.to_thread(postgres_server.kill)
            await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, range(3))
            await eventually(lambda: _paused(api), what="consuming to pause", within_s=20)
            connects = await api.metric("notify_sse_broker_connects_total")
            await asyncio.sleep(5 * CONSUMER_TIMEOUT_MS / 1000)  # what must not happen meanwhile has no event
            assert await api.metric("notify_sse_broker_connects_total") <= connects + 1, "the channel was closed again"
            await asyncio.to_thread(postgres_server.start)
            await _all_there(database_url, rabbitmq_server, amqp_prefix, 3)
            assert await _stored(database_url) == [0, 1, 2]
            assert not await _paused(api)
        assert await asyncio.to_thread(_dead, rabbitmq_server.url, amqp_prefix) == 0
    assert not [said for said in complaints(running) if "delete it" in said]


@pytest.mark.deadline(180)
async def test_large_messages_do_not_fill_the_memory(
    rabbitmq_server: RabbitServer, database_url: str, amqp_prefix: str, service: ServiceFactory
) -> None:
    """320 MB of refused messages: each becomes one dead letter, and what is sound is delivered."""
    options: dict[str, Any] = {
        "broker_url": rabbitmq_server.url,
        "amqp_prefix": amqp_prefix,
        "database_url": database_url,
    }
    running = await asyncio.to_thread(service, **options)
    before = _peak_mib(running)
    await asyncio.to_thread(_publish_large, rabbitmq_server.url, amqp_prefix)

    async def all_dead() -> bool:
        queues = await asyncio.to_thread(rabbitmq_server.ctl, "list_queues", "name", "messages")
        return f"{amqp_prefix}.ingest\t0" in queues and f"{amqp_prefix}.dead\t{LARGE_MESSAGES}" in queues

    await eventually(all_dead, what="each to be a dead letter", within_s=60)
    assert await _stored(database_url) == list(range(LARGE_MESSAGES))
    assert _peak_mib(running) - before < 128


def _publish_large(broker_url: str, prefix: str) -> None:
    body = b"x" * LARGE_BYTES
    with publisher(broker_url, prefix) as channel:
        for number in range(LARGE_MESSAGES):
            channel.publish(body, key="recipient.alice.new_message")
            channel.publish(notification("alice", payload={"number": number}))


def _peak_mib(running: Service) -> int:
    """The most memory that it ever had."""
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024  # type: ignore[index]


async def _paused(api: Api) -> bool:
    return await api.metric("notify_sse_ingest_paused") == 1
