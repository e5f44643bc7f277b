"""Both adapters, and what the tests need that only RabbitMQ can take."""

from typing import Any

import pytest

from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from tests.broker.brokers import Brokers, MemoryBrokers, RabbitMQBrokers
from tests.broker.rabbitmq import Open
from tests.support.services import RabbitServer


@pytest.fixture(params=["memory", "rabbitmq"])
def brokers(request: pytest.FixtureRequest) -> Brokers:
    """A test that takes it runs on each."""
    if request.param == "memory":
        return MemoryBrokers()
    prefix = request.getfixturevalue("amqp_prefix")
    return RabbitMQBrokers(request.getfixturevalue("rabbitmq_server"), prefix)


@pytest.fixture
def server(rabbitmq_server: RabbitServer) -> RabbitServer:
    return rabbitmq_server


@pytest.fixture
def open_broker(server: RabbitServer, amqp_prefix: str) -> Open:
    def opened(url: str = "", **options: Any) -> RabbitMQBroker:
        return RabbitMQBroker(url or server.url, prefix=amqp_prefix, prefetch=1000, **options)

    return opened
