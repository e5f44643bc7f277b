"""Fixtures of the tests that only RabbitMQ can take."""

from typing import Any

import pytest

from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from tests.broker.rabbitmq import Open
from tests.support.services import RabbitServer


@pytest.fixture
def server(rabbitmq_server: RabbitServer) -> RabbitServer:
    return rabbitmq_server


@pytest.fixture
def open_broker(server: RabbitServer, amqp_prefix: str) -> Open:
    def opened(url: str = "", **options: Any) -> RabbitMQBroker:
        return RabbitMQBroker(url or server.url, prefix=amqp_prefix, prefetch=1000, **options)

    return opened
