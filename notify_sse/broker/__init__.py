"""RabbitMQ and the in-process broker, behind the `Broker` port. `open_broker` chooses by the URL."""

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from notify_sse.core.ports import Broker, Finding
from notify_sse.errors import BadConfiguration

DEFAULT_PREFIX: Final = "notifications"
DEFAULT_PREFETCH: Final = 2000
DEFAULT_HELD_BYTES: Final = 67_108_864
DEFAULT_MESSAGE_BYTES: Final = 16_384


def open_broker(
    broker_url: str,
    *,
    prefix: str = DEFAULT_PREFIX,
    prefetch: int = DEFAULT_PREFETCH,
    held_bytes: int = DEFAULT_HELD_BYTES,
    message_bytes: int = DEFAULT_MESSAGE_BYTES,
    publish_timeout_s: float = 10.0,
) -> Broker:
    """The broker that `broker_url` names: `amqp://`, `amqps://` (RabbitMQ) or `memory://` (this process only).

    `prefix` begins every exchange's and queue's name. `prefetch` is how many deliveries may be unacked at a time, and
    `held_bytes` about how large all of them are together; a message of up to `message_bytes` is always held.
    `publish_timeout_s` bounds every publish. Connects to nothing yet; must be called within a running event loop.
    Raises `BadConfiguration` for any other URL.
    """
    if _is_rabbitmq(broker_url):
        from notify_sse.broker.rabbitmq.broker import RabbitMQBroker  # noqa: PLC0415  neither loads the other's libraries

        return RabbitMQBroker(
            broker_url,
            prefix=prefix,
            prefetch=prefetch,
            held_bytes=held_bytes,
            message_bytes=message_bytes,
            publish_timeout_s=publish_timeout_s,
        )
    from notify_sse.broker.memory import MemoryBroker  # noqa: PLC0415  as above

    return MemoryBroker(prefetch=prefetch, publish_timeout_s=publish_timeout_s)


def diagnose(
    broker_url: str, *, prefix: str = DEFAULT_PREFIX, management_url: str | None = None
) -> AsyncIterator[Finding]:
    """What the broker tells `notify-sse doctor`, finding by finding. Changes nothing. Raises `BadConfiguration`."""
    if _is_rabbitmq(broker_url):
        from notify_sse.broker.rabbitmq import diagnosis  # noqa: PLC0415  as above

        return diagnosis.diagnose(broker_url, prefix=prefix, management_url=management_url)
    from notify_sse.broker import memory  # noqa: PLC0415  as above

    return memory.diagnose()


async def look_at_members(broker_url: str, *, prefix: str, management_url: str | None) -> Finding:
    """Whether the queues on a RabbitMQ are on as many nodes of its cluster as they should be. Never raises."""
    from notify_sse.broker.rabbitmq import members  # noqa: PLC0415  as above

    return await members.look(broker_url, prefix=prefix, management_url=management_url)


def _is_rabbitmq(broker_url: str) -> bool:
    scheme = urlsplit(broker_url).scheme
    if scheme not in {"amqp", "amqps", "memory"}:
        raise BadConfiguration(
            f"NOTIFY_SSE_BROKER_URL: must begin with amqp://, amqps:// or memory://, not with {scheme!r}"
        )
    return scheme != "memory"
