"""What only RabbitMQ can do to us: lost connections of every kind, alarms, hostile properties, a foreign topology."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions
import pytest

from notify_sse.broker.connection import Session
from notify_sse.broker.rabbitmq import RabbitMQBroker
from notify_sse.errors import BrokerUnavailable
from notify_sse.ports import Listener
from tests.contract.brokers import KEY, message, publishing, running, texts
from tests.contract.tcp import tcp_proxy
from tests.services import RabbitServer

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


@pytest.fixture
def server(rabbitmq_server: RabbitServer) -> RabbitServer:
    return rabbitmq_server


@pytest.fixture
def open_broker(server: RabbitServer, amqp_prefix: str) -> Callable[..., RabbitMQBroker]:
    def opened(url: str = "", **options: Any) -> RabbitMQBroker:
        return RabbitMQBroker(url or server.url, prefix=amqp_prefix, prefetch=1000, **options)

    return opened


Open = Callable[..., RabbitMQBroker]


@contextlib.contextmanager
def foreign_channel(server: RabbitServer) -> Iterator[Any]:
    """A channel of pika, which is not ours."""
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    try:
        yield connection.channel()
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def _passed(records: list[logging.LogRecord], action: str) -> list[logging.LogRecord]:
    return [record for record in records if getattr(record, "action", "") == action]


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


@pytest.mark.parametrize("lost", ["closed", "reset", "killed", "restarted"])
async def test_every_kind_of_loss_is_recovered_from(open_broker: Open, server: RabbitServer, lost: str) -> None:
    """Whatever ends the connection: nothing confirmed is lost, order holds, announcements flow again."""
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url), consumes=True, listens=True) as process:
            for number in range(5):
                await process.broker.publish(message(number))
            await process.takes(5)
            match lost:
                case "closed":
                    await asyncio.to_thread(server.close_all_connections)
                case "reset":
                    proxy.cut()
                case "killed":
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                case "restarted":
                    await asyncio.to_thread(server.stop)
                    await asyncio.to_thread(server.start)
            again = (await process.takes(10))[5:]
            assert texts(again) == ["0", "1", "2", "3", "4"]
            await process.until(lambda: process.connects == 2)
            await process.broker.ack(again)
            await process.broker.announce(b"back")
            await process.until(lambda: process.announcements == [b"back"])


@pytest.mark.deadline(90)
async def test_a_silent_network_is_noticed_and_left(open_broker: Open, server: RabbitServer) -> None:
    """No reset, no answer: publishes fail in their time, and a connection without heartbeats is given up."""
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url, publish_timeout_s=1), consumes=True, acks=True) as process:
            proxy.silence()
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await process.broker.publish(message("into the void"))
            assert time.monotonic() - began < 2
            await _until(lambda: not process.broker.connected, within_s=20)
            proxy.resume()
            await process.until(lambda: process.connects == 2)
            await process.broker.publish(message("heard"))
            await process.until(lambda: "heard" in process.heard)


async def test_a_frozen_broker_fails_publishes_in_their_time(open_broker: Open, server: RabbitServer) -> None:
    """And after it thaws the same publish goes through."""
    async with running(open_broker(publish_timeout_s=1), consumes=True, acks=True) as process:
        server.freeze()
        with pytest.raises(BrokerUnavailable):
            await process.broker.publish(message("x"))
        server.thaw()
        await _published(process.broker, "x")
        await process.until(lambda: "x" in process.heard)


async def test_a_memory_alarm_fails_publishes_in_their_time_and_stops_nothing_else(
    open_broker: Open, server: RabbitServer
) -> None:
    """Announcing refuses at once, consuming and acking go on, and all is well once the alarm is over."""
    async with running(open_broker(publish_timeout_s=1), consumes=True, listens=True) as process:
        for number in range(3):
            await process.broker.publish(message(number))
        await process.takes(3)
        await asyncio.to_thread(server.raise_memory_alarm)
        try:
            with pytest.raises(BrokerUnavailable):
                await process.broker.publish(message("blocked"))
            began = time.monotonic()
            for _ in range(1000):
                with pytest.raises(BrokerUnavailable):
                    await process.broker.announce(b"x" * 10_000)
            assert time.monotonic() - began < 1
            await process.broker.ack(process.deliveries)
            async with running(open_broker(), consumes=True) as late:
                assert late.heard == []
        finally:
            await asyncio.to_thread(server.clear_memory_alarm)
        await _published(process.broker, "after")
        await process.until(lambda: "after" in process.heard)
        await process.broker.announce(b"after")
        await process.until(lambda: process.announcements[-1:] == [b"after"])


async def test_announcing_never_waits_for_a_broker_that_does_not_read(open_broker: Open, server: RabbitServer) -> None:
    """Not even before the broker says that it blocks us: what it does not take is refused, and memory stays bounded."""
    async with running(open_broker(), listens=True) as process:
        server.freeze()
        try:
            refused = 0
            began = time.monotonic()
            for _ in range(400):
                try:
                    await process.broker.announce(b"x" * 100_000)
                except BrokerUnavailable:
                    refused += 1
                await asyncio.sleep(0)
            assert time.monotonic() - began < 2
            assert refused > 200
        finally:
            server.thaw()


async def test_announcing_while_disconnected_refuses_at_once(open_broker: Open, server: RabbitServer) -> None:
    async with running(open_broker(), listens=True) as process:
        await asyncio.to_thread(server.kill)
        await _until(lambda: not process.broker.connected, within_s=5)
        with pytest.raises(BrokerUnavailable):
            await process.broker.announce(b"x")


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
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        with pytest.raises(BrokerUnavailable, match="no queue"):
            await process.broker.publish(message("kept"))
        await _published(process.broker, "kept")
    async with running(open_broker(), consumes=True, acks=True) as process:
        await process.takes(1)


async def test_a_deleted_queue_is_declared_again(open_broker: Open, server: RabbitServer, amqp_prefix: str) -> None:
    """The consumer learns of it, and starts over."""
    async with running(open_broker(), consumes=True, acks=True) as process:
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        await process.until(lambda: process.connects == 2)
        async with publishing(process.broker, message("kept")):
            await process.takes(1)


async def test_properties_that_python_cannot_hold_stop_nothing(
    open_broker: Open, server: RabbitServer, amqp_prefix: str
) -> None:
    """Such a message is delivered as far as it can be read, the ones behind it as ever, on the same connection."""
    hostile = [
        pika.BasicProperties(timestamp=2**63),
        pika.BasicProperties(timestamp=10**15, message_id="far"),
        pika.BasicProperties(message_id=b"\xff\xfe", content_type=b"\xc3\x28"),
        pika.BasicProperties(headers={"x": [{"deep": [1, None, b"\xff"]}]}, correlation_id=b"\xff", message_id="h"),
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
            for properties in hostile:
                channel.basic_publish(amqp_prefix, "k", b"x" * 300_000, properties)
            channel.basic_publish(amqp_prefix, "k" * 255, b"")
        await process.broker.publish(message("behind"))
        await process.until(lambda: process.heard[-1:] == ["behind"])
        assert process.connects == 1
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
    """One error for each link, however often it is tried; once the queue is gone, all works without a restart."""
    caplog.set_level(logging.INFO, logger="notify_sse")
    with foreign_channel(server) as channel:
        channel.queue_declare(f"{amqp_prefix}.ingest", durable=True)
    async with tcp_proxy(server.port) as proxy, asyncio.TaskGroup() as group:
        broker = open_broker(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")
        opened = group.create_task(_entered(broker))
        await proxy.attempts(8)
        refused = _passed(caplog.records, "broker_refused")
        assert {record.link for record in refused} == {"consuming", "publishing"}
        assert len(refused) == 2
        assert all("delete it" in record.getMessage() for record in refused)
        with foreign_channel(server) as channel:
            channel.queue_delete(f"{amqp_prefix}.ingest")
        await opened


async def test_an_outage_is_told_once_and_its_end_once(
    open_broker: Open, server: RabbitServer, caplog: pytest.LogCaptureFixture
) -> None:
    """For each connection, over however many attempts; with how long it lasted."""
    caplog.set_level(logging.INFO, logger="notify_sse")
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url), consumes=True) as process:
            caplog.clear()
            await asyncio.to_thread(server.kill)
            await proxy.attempts(8)
            await asyncio.to_thread(server.start)
            await process.until(lambda: process.connects == 2)
    assert len(_passed(caplog.records, "broker_lost")) == 2
    back = _passed(caplog.records, "broker_connected")
    assert len(back) == 2
    assert all(record.outage_s > 1 for record in back)


async def test_a_refused_password_is_told_with_what_to_do(
    open_broker: Open, server: RabbitServer, caplog: pytest.LogCaptureFixture
) -> None:
    broker = open_broker(f"amqp://guest:wrong@127.0.0.1:{server.port}/", publish_timeout_s=1)
    await broker.start(_silent())
    with pytest.raises(BrokerUnavailable):
        await broker.publish(message("x"))
    await broker.close()
    told = _passed(caplog.records, "broker_refused")
    assert {record.link for record in told} == {"publishing", "consuming"}
    assert all("NOTIFY_SSE_BROKER_URL" in record.getMessage() for record in told)
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


async def test_a_broker_that_is_down_at_the_start_is_waited_for(open_broker: Open, server: RabbitServer) -> None:
    """start() returns at once; everything begins when the broker does."""
    await asyncio.to_thread(server.kill)
    broker = open_broker()
    began = time.monotonic()
    opened = asyncio.create_task(_entered(broker))
    await asyncio.sleep(0)
    assert time.monotonic() - began < 0.5
    await asyncio.to_thread(server.start)
    await opened


async def test_stopping_while_connecting_keeps_nobody_from_consuming(
    open_broker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is told to stop in the very moment in which it becomes the active consumer gives that up."""
    stopping = open_broker()
    consume = Session.consume

    async def consume_and_be_stopped(session: Session, *args: Any, **options: Any) -> Any:
        leave = await consume(session, *args, **options)
        monkeypatch.undo()
        await stopping.stop_consuming()
        return leave

    monkeypatch.setattr(Session, "consume", consume_and_be_stopped)
    async with (
        running(stopping, consumes=True) as one,
        running(open_broker(), consumes=True, acks=True) as two,
        publishing(two.broker, message("later")),
    ):
        await two.takes(1)
    assert one.deliveries == []


async def test_closing_while_connecting_ends_at_once(open_broker: Open) -> None:
    """At any moment of the connect; nothing is left running."""
    for pause_s in (0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06):
        broker = open_broker()
        await broker.start(_silent())
        await asyncio.sleep(pause_s)
        async with asyncio.timeout(5):
            await broker.close()


def _silent() -> Listener:
    return Listener(on_connected=lambda: None, on_delivery=lambda _: None)


async def _entered(broker: RabbitMQBroker) -> None:
    """Returns once a process on `broker` is connected, and closes it."""
    async with asyncio.timeout(40), running(broker, consumes=True):
        pass


async def _published(broker: RabbitMQBroker, text: str) -> None:
    """Publish, again and again until it is confirmed."""
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(BrokerUnavailable):
                return await broker.publish(message(text))


async def _until(condition: Callable[[], bool], *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.02)
