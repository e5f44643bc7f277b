"""What only RabbitMQ can do to us: hostile properties, a foreign topology, dead letters of its own."""

import asyncio
import logging
from typing import cast

import pika
import pika.exceptions
import pytest

from notify_sse.errors import BrokerUnavailable
from tests.broker.brokers import KEY, message, publishing, running
from tests.broker.rabbitmq import Open, entered, foreign_channel, passed, published, silent
from tests.support.services import RabbitServer
from tests.support.tcp_proxy import tcp_proxy

CONTRACT = {
    "ingest": {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": 20,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    },
    "dead": {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1},
}


async def test_the_topology_is_the_contract(open_broker: Open, server: RabbitServer, amqp_prefix: str) -> None:
    """Another client that declares the same finds it so; a message of any key is kept."""
    async with running(open_broker()):
        with foreign_channel(server) as channel:
            for exchange, kind in ((amqp_prefix, "topic"), (f"{amqp_prefix}.live", "topic")):
                channel.exchange_declare(exchange, exchange_type=kind, durable=True)
            for queue, arguments in CONTRACT.items():
                if queue == "ingest":
                    arguments |= {"x-dead-letter-exchange": f"{amqp_prefix}.dlx"}
                channel.queue_declare(f"{amqp_prefix}.{queue}", durable=True, arguments=arguments)
            channel.confirm_delivery()
            for key in (KEY, "topic.all.system_alert", "nonsense", ""):
                channel.basic_publish(amqp_prefix, key, b"{}", mandatory=True)


async def test_a_slow_listener_loses_the_oldest_and_no_more_is_kept(
    open_broker: Open, server: RabbitServer, amqp_prefix: str
) -> None:
    """The broker holds at most `live_queue_max_messages` for it; the newest arrives."""
    bodies = [b"%d " % number + b"." * 100_000 for number in range(400)]
    async with running(open_broker(live_queue_max_messages=3), listens=True) as listener:
        with foreign_channel(server) as channel:  # blocks the loop, so that nothing is read meanwhile
            channel.confirm_delivery()
            for body in bodies:
                channel.basic_publish(f"{amqp_prefix}.live", "log", body)
        await listener.until(lambda: listener.announcements[-1:] == bodies[-1:])
        heard = [int(body.split()[0]) for body in listener.announcements]
        assert heard == sorted(heard)
        assert 3 <= len(heard) < 400
        assert listener.connects == 1


async def test_a_message_that_no_queue_takes_is_an_error(
    open_broker: Open, server: RabbitServer, amqp_prefix: str
) -> None:
    """RabbitMQ confirms it all the same; for us it was not published. Trying again declares the queue, and works."""
    async with running(open_broker()) as process:
        await asyncio.to_thread(server.settle)
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        with pytest.raises(BrokerUnavailable, match="no queue"):
            await process.broker.publish(message("kept"))
        await published(process.broker, "kept")
    async with running(open_broker(), consumes=True, acks=True) as process:
        await process.takes(1)


async def test_a_deleted_queue_is_declared_again(open_broker: Open, server: RabbitServer, amqp_prefix: str) -> None:
    """The consumer learns of it, and starts over."""
    async with running(open_broker(), consumes=True, acks=True) as process:
        await asyncio.to_thread(server.settle)
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        await process.until(lambda: process.connects == 2)
        async with publishing(process.broker, message("kept")):
            await process.takes(1)


async def test_properties_that_python_cannot_hold_stop_nothing(
    open_broker: Open, server: RabbitServer, amqp_prefix: str
) -> None:
    """Such a message is delivered as far as it can be read, the ones behind it as ever, on the same connection."""
    hostile = [  # pika takes bytes too; its stubs do not say so
        pika.BasicProperties(timestamp=2**63),
        pika.BasicProperties(timestamp=10**15, message_id="far"),
        pika.BasicProperties(message_id=cast("str", b"\xff\xfe"), content_type=cast("str", b"\xc3\x28")),
        pika.BasicProperties(
            headers={"x": [{"deep": [1, None, b"\xff"]}]}, correlation_id=cast("str", b"\xff"), message_id="h"
        ),
        pika.BasicProperties(
            content_type="application/msgpack",
            content_encoding="gzip",
            headers={"a": "b" * 1000},
            delivery_mode=1,
            priority=9,
            correlation_id="c",
            reply_to="r",
            expiration="600000",
            message_id="all",
            timestamp=1,
            type="t",
            user_id="guest",
            app_id="app",
        ),
    ]
    async with running(open_broker(), consumes=True, acks=True) as process:
        with foreign_channel(server) as channel:
            channel.confirm_delivery()  # All of them are in the queue before the one behind.
            for properties in hostile:
                channel.basic_publish(amqp_prefix, "k", b"x" * 300_000, properties)
            channel.basic_publish(amqp_prefix, "k" * 255, b"")
        await process.broker.publish(message("behind"))
        await process.until(lambda: process.heard[-1:] == ["behind"])
        assert process.connects == 1
        assert [each.content_encoding for each in process.deliveries if each.message_id == "all"] == ["gzip"]
        read = [(each.content_type, each.message_id) for each in process.deliveries]
        assert read == [
            ("application/json", None),
            ("application/json", "far"),
            ("\ufffd(", "\ufffd\ufffd"),
            ("application/json", "h"),
            ("application/msgpack", "all"),
            ("application/json", None),
            ("application/json", "behind"),
        ]
        assert {len(each.body) for each in process.deliveries} == {300_000, 0, 6}
        assert [each.timestamp for each in process.deliveries[:5]] == [2**63, 10**15, 0, 0, 1]
        assert process.deliveries[5].routing_key == "k" * 255


async def test_what_the_broker_gave_up_on_is_a_dead_letter_with_that_reason(
    open_broker: Open, server: RabbitServer, amqp_prefix: str
) -> None:
    """Returned over and over, a message goes to the dead letters by the broker's doing; replay brings it back."""
    async with running(open_broker()) as process:
        await process.broker.publish(message("unlucky"))
        with foreign_channel(server) as channel:
            for delivery, _, _ in channel.consume(f"{amqp_prefix}.ingest", inactivity_timeout=1):
                if delivery is None:
                    break
                channel.basic_nack(delivery.delivery_tag, requeue=True)
            channel.cancel()
        letters = await process.broker.dead_letters(limit=1)
        assert (letters[0].reason, letters[0].body, letters[0].routing_key) == ("delivery_limit", b"unlucky", KEY)
        assert letters[0].message_id == "unlucky"
        assert letters[0].died_at
        assert await process.broker.replay_dead_letters(limit=1) == 1
    async with running(open_broker(), consumes=True, acks=True) as process:
        await process.takes(1)
        assert process.heard == ["unlucky"]


async def test_a_foreign_topology_is_told_once_with_what_to_do_and_recovered_from(
    open_broker: Open, server: RabbitServer, amqp_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One error, however often it is tried; once the queue is gone, all works without a restart."""
    caplog.set_level(logging.INFO, logger="notify_sse")
    with foreign_channel(server) as channel:
        channel.queue_declare(f"{amqp_prefix}.ingest", durable=True)
    async with tcp_proxy(server.port) as proxy, asyncio.TaskGroup() as group:
        broker = open_broker(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")
        opened = group.create_task(entered(broker))
        await proxy.attempts(8)
        (refused,) = passed(caplog.records, "refused")
        assert "delete it" in refused.getMessage()
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        await opened


@pytest.mark.parametrize(
    ("place", "what"), [("guest:wrong@{}/", "password"), ("guest:guest@{}/nowhere", "virtual host")]
)
async def test_a_refused_password_or_virtual_host_is_told_with_what_to_do(
    open_broker: Open, server: RabbitServer, caplog: pytest.LogCaptureFixture, place: str, what: str
) -> None:
    broker = open_broker(f"amqp://{place.format(f'127.0.0.1:{server.port}')}", publish_timeout_s=1)
    await broker.start(silent())
    with pytest.raises(BrokerUnavailable, match="not connected to the broker \\("):
        await broker.publish(message("x"))
    await broker.close()
    (told,) = passed(caplog.records, "refused")
    assert what in told.getMessage()
    assert "NOTIFY_SSE_BROKER_URL" in told.getMessage()
    assert "wrong" not in caplog.text


async def test_a_user_who_may_only_publish_can(open_broker: Open, server: RabbitServer, amqp_prefix: str) -> None:
    """The topology is there already; such a user needs no right to declare it."""
    async with running(open_broker(), consumes=True, acks=True) as process:
        user = amqp_prefix
        await asyncio.to_thread(server.ctl, "add_user", user, "secret")
        await asyncio.to_thread(server.ctl, "set_permissions", user, "^$", f"^{amqp_prefix}$", "^$")
        try:
            broker = open_broker(f"amqp://{user}:secret@127.0.0.1:{server.port}/")
            async with running(broker):
                await broker.publish(message("allowed"))
            await process.takes(1)
        finally:
            await asyncio.to_thread(server.ctl, "delete_user", user)


@pytest.mark.parametrize(("configure", "hears"), [("^$", False), ("live", True)])
async def test_a_user_who_may_not_declare_works_where_everything_is_there(
    open_broker: Open, server: RabbitServer, caplog: pytest.LogCaptureFixture, configure: str, *, hears: bool
) -> None:
    """Looked for instead of declared. Without a queue of its own it hears no announcements, and says what to grant."""
    async with running(open_broker(), consumes=True):
        pass
    await asyncio.to_thread(server.ctl, "add_user", "modest", "modest")
    try:
        await asyncio.to_thread(server.ctl, "set_permissions", "modest", configure, ".*", ".*")
        url = server.url.replace("guest:guest", "modest:modest")
        async with running(open_broker(url), consumes=True, listens=True, acks=True) as process:
            await process.broker.publish(message("a"))
            await process.until(lambda: process.heard == ["a"])
            assert await process.broker.dead_letters(limit=1) == []
            await process.broker.announce(b"told")
            if hears:
                await process.until(lambda: process.announcements == [b"told"])
    finally:
        await asyncio.to_thread(server.ctl, "delete_user", "modest")
    told = [record.getMessage() for record in passed(caplog.records, "refused")]
    assert [r"\.live" in text for text in told] == ([] if hears else [True])
