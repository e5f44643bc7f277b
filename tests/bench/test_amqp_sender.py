"""The load tool's publisher: what RabbitMQ confirms is counted once, whatever way it confirms it."""

import asyncio
import struct
from typing import Any

import pika
import pytest

from notify_sse.bench.publishers.aio_pika import AioPikaSender
from notify_sse.bench.publishers.amqp import AmqpSender
from notify_sse.bench.publishers.sender import Outbound
from tests.support.polling import eventually


class Wire(asyncio.Transport):
    """Takes what is written."""

    def write(self, data: Any) -> None:
        pass


def ack(tag: int, *, multiple: bool) -> bytes:
    payload = struct.pack(">HHQB", 60, 80, tag, multiple)
    return struct.pack(">BHI", 1, 1, len(payload)) + payload + b"\xce"


def message(number: int) -> Outbound:
    return Outbound(0, "alice", "recipient.alice.bench", b'{"n":%d}' % number)


async def test_confirms_one_by_one_and_all_together_count_once() -> None:
    """RabbitMQ may confirm 3 alone, then all up to 4, in frames that a read cuts anywhere."""
    stream = ack(3, multiple=False) + ack(4, multiple=True) + ack(5, multiple=False)
    for cut in range(len(stream)):
        sender = AmqpSender("notifications")
        sender.connection_made(Wire())
        sender.send([message(number) for number in range(5)])
        sender.data_received(stream[:cut])
        sender.data_received(stream[cut:])
        assert (sender.confirmed, sender.failed, len(sender.confirm_ns)) == (5, 0, 5)


SENDERS = {"packed frames": AmqpSender, "aio-pika": AioPikaSender}


@pytest.mark.parametrize("sender_of", SENDERS.values(), ids=SENDERS)
async def test_what_it_publishes_is_what_an_ordinary_client_receives(
    broker_url: str, amqp_prefix: str, sender_of: type[AmqpSender | AioPikaSender]
) -> None:
    """What each sender makes, against a real RabbitMQ, read back by pika; what no queue takes counts as failed."""
    connection = await asyncio.to_thread(pika.BlockingConnection, pika.URLParameters(broker_url))
    channel = connection.channel()
    queue = f"{amqp_prefix}.ingest"
    channel.exchange_declare(amqp_prefix, "topic", durable=True)
    channel.queue_declare(queue)
    channel.queue_bind(queue, amqp_prefix, "recipient.#")
    sender = await sender_of.connect(broker_url, exchange=amqp_prefix)

    async def all_confirmed() -> bool:
        return sender.confirmed == 101

    try:
        sender.send([message(number) for number in range(100)])
        sender.send([Outbound(-1, "x", "topic.nobody.bench", b"{}")])
        await eventually(all_confirmed, what="the confirms")
    finally:
        await sender.close()
    assert (sender.sent, sender.failed) == (101, 1)
    for number in range(100):
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        assert method is not None
        assert properties is not None
        assert method.routing_key == "recipient.alice.bench"
        assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
        assert body == b'{"n":%d}' % number
    connection.close()
