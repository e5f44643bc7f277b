"""What the tests of RabbitMQ share."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pika.exceptions

from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from notify_sse.core.ports import Broker, Listener
from notify_sse.errors import BrokerUnavailable
from tests.broker.brokers import message, running
from tests.support.services import RabbitServer

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


def passed(records: list[logging.LogRecord], action: str) -> list[logging.LogRecord]:
    return [record for record in records if getattr(record, "action", "") == action]


async def entered(broker: RabbitMQBroker) -> None:
    """Returns once a process on `broker` is connected, and closes it."""
    async with asyncio.timeout(40), running(broker, consumes=True):
        pass


async def published(broker: Broker, text: str) -> None:
    """Publish, again and again until it is confirmed."""
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(BrokerUnavailable):
                return await broker.publish(message(text))


def silent() -> Listener:
    return Listener(on_connected=lambda: None, on_delivery=lambda _: None)
