"""What is declared and asked for is what RabbitMQ 3.10 to 4.x take: https://www.rabbitmq.com/docs/quorum-queues,
/docs/deprecated-features and the release notes up to 4.3. No server is asked: the calls are looked at.
"""

from typing import Any, cast

import aiormq

from notify_sse.broker.rabbitmq.amqp_connection import AmqpConnection
from notify_sse.broker.rabbitmq.consuming import Budget, IngestConsumer, listen_live
from notify_sse.broker.rabbitmq.topology import DELIVERY_LIMIT, UNLIMITED, Topology
from notify_sse.core.ports import Listener

OF_QUORUM_QUEUES: dict[str, list[Any]] = {
    "x-queue-type": ["quorum"],
    "x-single-active-consumer": [True],
    "x-delivery-limit": [DELIVERY_LIMIT, UNLIMITED],
    "x-dead-letter-exchange": ["notifications.dlx"],
    "x-dead-letter-strategy": ["at-least-once"],
    "x-overflow": ["reject-publish"],
}
OF_CLASSIC_QUEUES: dict[str, list[Any]] = {
    "x-queue-type": ["classic"],
    "x-max-length": [10],
    "x-overflow": ["drop-head"],
}
"""Nothing of `x-queue-mode` and `x-queue-version`, which 4.3 refuses, nor of mirroring, which is gone since 4.0."""


class Recorder:
    """A channel, and a connection of it, that writes down what is asked of them."""

    def __init__(self) -> None:
        self.exchanges: list[dict[str, Any]] = []
        self.queues: dict[str, dict[str, Any]] = {}
        self.qos: list[dict[str, Any]] = []

    async def exchange_declare(self, _: str, **options: Any) -> None:
        self.exchanges.append(options)

    async def queue_declare(self, name: str, **options: Any) -> None:
        self.queues[name] = options

    async def queue_bind(self, *_: Any, **__: Any) -> None: ...

    async def basic_qos(self, **options: Any) -> None:
        self.qos.append(options)

    def on_lost(self, _: object) -> None: ...

    async def channel(self) -> "Recorder":
        return self

    async def consume(self, *_: Any, **__: Any) -> None: ...


async def test_each_queue_is_of_a_kind_that_every_version_has() -> None:
    """Durable quorum queues, and exclusive classic ones: 4.3 refuses what is neither durable nor exclusive. The type is
    always named, since the virtual host's default may be another (Amazon MQ's is quorum).
    """
    recorder, topology = Recorder(), Topology(prefix="notifications")
    await topology.declare(cast("aiormq.Channel", recorder), timeout_s=1)
    await listen_live(cast("AmqpConnection", recorder), topology, max_messages=10, on_announcement=lambda _: None)
    assert all(one["durable"] and one["exchange_type"] in ("topic", "fanout") for one in recorder.exchanges)
    assert len(recorder.queues) == 3
    for name, options in recorder.queues.items():
        arguments, exclusive = options["arguments"], options.get("exclusive", False)
        assert options.get("durable", False) is not exclusive, name
        known = OF_CLASSIC_QUEUES if exclusive else OF_QUORUM_QUEUES
        assert "x-queue-type" in arguments, name
        for argument, value in arguments.items():
            assert value in known[argument], (name, argument)
            assert not isinstance(value, int) or 0 <= value < 2**31, "4.0 counts a delivery limit in 31 bits"


async def test_what_is_asked_of_a_channel_is_not_deprecated() -> None:
    """A limit for each consumer: 4.3 refuses the global one."""
    recorder = Recorder()
    listener = Listener(on_connected=lambda: None, on_delivery=lambda _: None)
    await IngestConsumer(listener, budget=Budget(10, 1000, 100)).consume(cast("AmqpConnection", recorder), queue="q")
    (asked,) = recorder.qos
    assert asked["prefetch_count"] == 10
    assert not asked.get("global_")
