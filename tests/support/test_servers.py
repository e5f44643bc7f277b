"""The servers that tests stand on: they start, die, come back with what they held, and are fresh for each test."""

import asyncio

import asyncpg
import pika
import pika.exceptions
import pytest

from tests.support import given
from tests.support.services import PostgresServer, RabbitServer


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_through_sigkill(
    postgres_server: PostgresServer, database_url: str
) -> None:
    """kill() ends every connection at once; start() brings the committed rows back on the same URL."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    await asyncio.to_thread(postgres_server.kill)
    assert not postgres_server.running
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        await connection.execute("SELECT 1")
    await asyncio.to_thread(postgres_server.start)
    assert await _value(database_url, "SELECT answer FROM kept") == 42


async def test_a_frozen_postgres_answers_nothing_until_it_is_thawed(
    postgres_server: PostgresServer, database_url: str
) -> None:
    """freeze() stops backends that are connected already, not only new ones."""
    connection = await asyncpg.connect(database_url)
    postgres_server.freeze()
    waiting = asyncio.create_task(connection.fetchval("SELECT 7"))
    assert not (await asyncio.wait([waiting], timeout=0.3))[0]
    postgres_server.thaw()
    assert await waiting == 7
    await connection.close()


def test_the_test_after_a_killed_postgres_finds_it_running(postgres_server: PostgresServer) -> None:
    """A test may leave the server dead: what comes after does not notice (the next test checks it)."""
    postgres_server.kill()


def test_a_database_is_fresh_and_empty(postgres_server: PostgresServer, database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    count = "SELECT count(*) FROM pg_stat_user_tables"
    assert postgres_server.sql(count, database=name) == "0"


def test_rabbitmq_keeps_a_quorum_queue_through_sigkill(rabbitmq_server: RabbitServer, amqp_prefix: str) -> None:
    """What was confirmed before kill() is there after start(), on the same URL."""
    queue = f"{amqp_prefix}.ingest"
    parameters = pika.URLParameters(rabbitmq_server.url)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", queue, b"kept", pika.BasicProperties(delivery_mode=2))
        connection.close()
    rabbitmq_server.kill()
    assert not rabbitmq_server.running
    rabbitmq_server.start()
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        assert channel.basic_get(queue, auto_ack=True)[2] == b"kept"


def test_rabbitmq_closes_connections_and_blocks_publishers_on_demand(
    rabbitmq_server: RabbitServer, broker_url: str
) -> None:
    """The faults that it offers: every connection closed by the server, and the memory alarm, on and off."""
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    rabbitmq_server.close_all_connections()
    with pytest.raises(pika.exceptions.AMQPError):
        connection.process_data_events(time_limit=10)
    rabbitmq_server.raise_memory_alarm()
    assert rabbitmq_server.memory_alarm()
    rabbitmq_server.clear_memory_alarm()
    assert not rabbitmq_server.memory_alarm()


def test_what_a_prefix_declared_is_deleted_and_nothing_else(broker_url: str, amqp_prefix: str) -> None:
    """The contract's queues and exchanges of one prefix go, of another stay, and never declared ones are no matter."""
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        for prefix in (amqp_prefix, f"{amqp_prefix}-other"):
            channel.exchange_declare(f"{prefix}.live", "topic", durable=True)
            channel.queue_declare(f"{prefix}.dead", durable=True)
        given.delete_topology(broker_url, amqp_prefix)
        channel.queue_declare(f"{amqp_prefix}-other.dead", passive=True)
        channel.exchange_declare(f"{amqp_prefix}-other.live", passive=True)
        given.delete_topology(broker_url, f"{amqp_prefix}-other")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
            channel.queue_declare(f"{amqp_prefix}.dead", passive=True)
