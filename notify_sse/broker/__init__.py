"""RabbitMQ and the in-process broker, behind the `Broker` port. `open_broker` chooses by the URL."""

from typing import Final
from urllib.parse import urlsplit

from notify_sse.core.ports import Broker
from notify_sse.errors import BadConfiguration

DEFAULT_PREFIX: Final = "notifications"
DEFAULT_PREFETCH: Final = 2000


def open_broker(
    broker_url: str,
    *,
    prefix: str = DEFAULT_PREFIX,
    prefetch: int = DEFAULT_PREFETCH,
    publish_timeout_s: float = 10.0,
) -> Broker:
    """The broker that `broker_url` names: `amqp://`, `amqps://` (RabbitMQ) or `memory://` (this process only).

    `prefix` begins every exchange's and queue's name. `prefetch` is how many deliveries may be unacked at a time.
    `publish_timeout_s` bounds every publish. Connects to nothing yet; must be called within a running event loop.
    Raises `BadConfiguration` for any other URL.
    """
    scheme = urlsplit(broker_url).scheme
    if scheme == "memory":
        from notify_sse.broker.memory import MemoryBroker  # noqa: PLC0415  neither adapter loads the other's libraries

        return MemoryBroker(prefetch=prefetch, publish_timeout_s=publish_timeout_s)
    if scheme in {"amqp", "amqps"}:
        from notify_sse.broker.rabbitmq.broker import RabbitMQBroker  # noqa: PLC0415  as above

        return RabbitMQBroker(broker_url, prefix=prefix, prefetch=prefetch, publish_timeout_s=publish_timeout_s)
    raise BadConfiguration(f"BROKER_URL: must begin with amqp://, amqps:// or memory://, not {scheme or 'nothing'}")
