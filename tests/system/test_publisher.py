"""`Publisher`: what a Python service publishes with, against a RabbitMQ that is cut off, killed and blocked."""

import asyncio
import logging
import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import msgspec
import pytest

from notify_sse import Publisher
from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from notify_sse.errors import BadConfiguration, BadNotification, BrokerUnavailable, NotAllPublished
from tests.broker.brokers import Process, running
from tests.support.services import RabbitServer
from tests.support.tcp_proxy import tcp_proxy

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  a time that says not where


def _consumer(server: RabbitServer, prefix: str) -> RabbitMQBroker:
    return RabbitMQBroker(server.url, prefix=prefix, prefetch=1000)


def _documents(process: Process) -> list[dict[str, Any]]:
    return [msgspec.json.decode(delivery.body) for delivery in process.deliveries]


def _message(recipient_id: str, *, text: str = "") -> dict[str, Any]:
    """Arguments of `Publisher.publish`."""
    return {"recipient_id": recipient_id, "notification_type": "new_message", "payload": {"text": text}}


async def test_a_published_notification_is_the_contract_on_the_wire(
    rabbitmq_server: RabbitServer, amqp_prefix: str
) -> None:
    """Body, routing key, content type and message_id are what any AMQP client would send."""
    async with (
        running(_consumer(rabbitmq_server, amqp_prefix), consumes=True, acks=True) as process,
        Publisher(rabbitmq_server.url, amqp_prefix=amqp_prefix) as publisher,
    ):
        made = await publisher.publish(**_message("a.b*", text="Lunch?"))
        moment = datetime(2026, 11, 22, 12, 0, tzinfo=timezone(timedelta(hours=2)))
        own = await publisher.publish(
            topic="all",
            notification_type="system_alert",
            payload={},
            notification_id="mine",
            timestamp=moment,
            expires_at="2026-12-01T00:00:00Z",
        )
        first, second = await process.takes(2)
    assert own == "mine"
    assert (first.routing_key, first.message_id) == ("recipient.a%2Eb%2A.new_message", made)
    assert (first.content_type, second.routing_key) == ("application/json", "topic.all.system_alert")
    assert _documents(process) == [
        {
            "notification_id": made,
            "notification_type": "new_message",
            "recipient_id": "a.b*",
            "payload": {"text": "Lunch?"},
        },
        {
            "notification_id": "mine",
            "notification_type": "system_alert",
            "topic": "all",
            "timestamp": "2026-11-22T10:00:00.000Z",
            "payload": {},
            "expires_at": "2026-12-01T00:00:00Z",
        },
    ]


async def test_publishing_needs_no_running_gateway(rabbitmq_server: RabbitServer, amqp_prefix: str) -> None:
    """The publisher declares the queues, so what it publishes first of all is kept for the gateway to come."""
    async with Publisher(rabbitmq_server.url, amqp_prefix=amqp_prefix) as publisher:
        ids = await publisher.publish_many(
            [_message("alice", text="Changed"), {"topic": "all", "notification_type": "system_alert", "payload": {}}]
        )
    async with running(_consumer(rabbitmq_server, amqp_prefix), consumes=True, acks=True) as process:
        await process.takes(2)
    assert [document["notification_id"] for document in _documents(process)] == ids


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"recipient_id": "a", "notification_type": "No", "payload": {}}, "notification_type"),
        ({"recipient_id": "a", "topic": "b", "notification_type": "a", "payload": {}}, "topic"),
        ({"notification_type": "a", "payload": {}}, "recipient_id"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {"x": "y" * 20_000}}, "body"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {"x": object()}}, "payload"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {"x": float("nan")}}, "payload.x"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {"x": "\ud800"}}, "payload"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {"x": 2**70}}, "payload"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {}, "timestamp": NAIVE}, "timestamp"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {}, "expires_at": "soon"}, "expires_at"),
        ({"recipient_id": "a", "notification_type": "a", "payload": {}, "notification_id": ""}, "notification_id"),
    ],
)
async def test_a_bad_notification_is_refused_before_it_is_sent(fields: dict[str, Any], field: str) -> None:
    """With the field named; in a batch with its place, and then nothing of the batch is sent."""
    good = {"recipient_id": "a", "notification_type": "a", "payload": {}}
    async with Publisher("amqp://127.0.0.1:1/", timeout_s=0.1) as publisher:
        with pytest.raises(BadNotification) as single:
            await publisher.publish(**fields)
        assert single.value.field == field
        with pytest.raises(BadNotification) as batch:
            await publisher.publish_many([good, fields, good])
        assert batch.value.field == f"[1].{field}"


async def test_an_application_reads_one_warning_of_a_lost_broker(
    rabbitmq_server: RabbitServer, amqp_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And no traceback of a library. What the application itself does with aiormq is told as ever."""
    for name in ("aiormq", "aiormq.connection"):  # our own commands, which may have run in this process, silence them
        caplog.set_level(logging.INFO, logger=name)
    async with Publisher(rabbitmq_server.url, amqp_prefix=amqp_prefix) as publisher:
        await publisher.publish(**_message("alice"))
        await asyncio.to_thread(rabbitmq_server.close_all_connections)
        async with asyncio.timeout(5):
            while not any("is back" in record.message for record in caplog.records):
                await publisher.publish(**_message("alice"))
    logging.getLogger("aiormq.connection").warning("of the application")
    told = [(one.name.partition(".")[0], one.message) for one in caplog.records if one.levelno >= logging.INFO]
    assert [message for name, message in told if name != "notify_sse"] == ["of the application"]
    assert sum("is away" in message for _, message in told) == 1
    assert not [one for one in caplog.records if one.exc_info]


async def test_a_broker_that_stays_away_is_told_within_the_timeout(free_port: int) -> None:
    """With the reason; a batch names those that were not confirmed, by place and id."""
    async with Publisher(f"amqp://127.0.0.1:{free_port}/", timeout_s=0.5) as publisher:
        with pytest.raises(BrokerUnavailable, match="not connected"):
            async with asyncio.timeout(5):
                await publisher.publish(**_message("alice", text=""))
        items = [{**_message("alice", text=""), "notification_id": f"n{n}"} for n in range(3)]
        with pytest.raises(NotAllPublished) as raised:
            await publisher.publish_many(items)
        assert raised.value.unconfirmed == {0: "n0", 1: "n1", 2: "n2"}


async def test_a_batch_names_exactly_what_was_not_confirmed(rabbitmq_server: RabbitServer, amqp_prefix: str) -> None:
    """The first 500 were, before the broker went away; the rest, sent or not, are named."""
    async with Publisher(rabbitmq_server.url, amqp_prefix=amqp_prefix, timeout_s=1.5) as publisher:
        await publisher.publish(**_message("alice", text="first"))

        def items() -> Any:
            return [{**_message("alice", text=""), "notification_id": f"n{n}"} for n in range(1200)]

        publish_window, windows = publisher._publish_window, []

        async def freezing(window: Any) -> None:
            windows.append(len(window))
            if len(windows) == 2:
                rabbitmq_server.freeze()
            await publish_window(window)

        publisher._publish_window = freezing  # type: ignore[method-assign]
        with pytest.raises(NotAllPublished) as raised:
            await publisher.publish_many(items())
        rabbitmq_server.thaw()
        assert raised.value.unconfirmed == {n: f"n{n}" for n in range(500, 1200)}


@pytest.mark.deadline(150)
async def test_every_id_arrives_in_order_through_kills_and_cuts(
    rabbitmq_server: RabbitServer, amqp_prefix: str
) -> None:
    """Each id that was returned reaches the queue at least once, and for each recipient first arrivals are in order."""
    rng = random.Random(5)
    recipients = [f"r{n}" for n in range(7)]
    published: dict[str, list[str]] = defaultdict(list)
    async with tcp_proxy(rabbitmq_server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with (
            running(_consumer(rabbitmq_server, amqp_prefix), consumes=True, acks=True) as process,
            Publisher(url, amqp_prefix=amqp_prefix, timeout_s=60) as publisher,
        ):
            stop = asyncio.Event()

            async def publish(recipient: str) -> None:
                while not stop.is_set():
                    if rng.random() < 0.2:
                        items = [_message(recipient, text=str(n)) for n in range(rng.randrange(40))]
                        published[recipient] += await publisher.publish_many(items)
                    else:
                        one = await publisher.publish(**_message(recipient, text="one"))
                        published[recipient].append(one)
                    await asyncio.sleep(0)

            def more_than(count: int) -> bool:
                return sum(map(len, published.values())) > count

            async with asyncio.TaskGroup() as group:
                for recipient in recipients:
                    group.create_task(publish(recipient))
                for _ in range(4):
                    before = sum(map(len, published.values()))
                    await process.until(partial(more_than, before + 300))
                    proxy.cut()
                await asyncio.to_thread(rabbitmq_server.kill)
                await asyncio.to_thread(rabbitmq_server.start)
                before = sum(map(len, published.values()))
                await process.until(lambda: sum(map(len, published.values())) > before + 300)
                stop.set()
            accepted = {each for ids in published.values() for each in ids}
            await process.until(lambda: accepted <= {each.message_id for each in process.deliveries})
    for recipient in recipients:
        first_arrivals = dict.fromkeys(
            each.message_id for each in process.deliveries if each.routing_key == f"recipient.{recipient}.new_message"
        )
        assert list(first_arrivals) == published[recipient]


async def test_one_publisher_serves_many_tasks(rabbitmq_server: RabbitServer, amqp_prefix: str) -> None:
    async with (
        running(_consumer(rabbitmq_server, amqp_prefix), consumes=True, acks=True) as process,
        Publisher(rabbitmq_server.url, amqp_prefix=amqp_prefix) as publisher,
    ):
        ids = await asyncio.gather(*(publisher.publish(**_message(f"r{n}", text="")) for n in range(500)))
        await process.takes(500)
    assert {delivery.message_id for delivery in process.deliveries} == set(ids)


async def test_a_wrong_url_is_refused_at_once() -> None:
    for url in ("memory://", "http://localhost", "localhost", ""):
        with pytest.raises(BadConfiguration, match="broker_url"):
            Publisher(url)
