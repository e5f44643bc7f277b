"""The publishing AMQP connection: notifications and dead letters with confirms, announcements without.

It is a connection of its own, because during a memory or disk alarm RabbitMQ stops reading from every connection that
publishes; acks must not wait for that. Nothing here waits without a limit.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from aiormq import Channel, PublishError, spec

from notify_sse.broker.rabbitmq.amqp_connection import AmqpConnection, translated
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable

PERSISTENT: Final = 2
TRANSIENT: Final = 1


class PublishingChannels:
    """The two channels of the publishing connection, opened again on each new connection."""

    def __init__(self, connection: AmqpConnection, confirming: Channel, announcing: Channel) -> None:
        self.connection = connection
        self.confirming = confirming
        self.announcing = announcing

    @classmethod
    async def open(cls, connection: AmqpConnection) -> "PublishingChannels":
        channels = cls(connection, await connection.channel(confirms=True), await connection.channel())
        connection.watch(channels.confirming.closing)
        connection.watch(channels.announcing.closing)
        return channels

    async def publish(
        self,
        exchange: str,
        message: Message,
        *,
        timeout_s: float,
        headers: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish and wait for the confirm.

        A message that no queue takes is an error. RabbitMQ confirms it all the same, but has stored it nowhere.
        """
        properties = spec.Basic.Properties(
            content_type=message.content_type,
            content_encoding=message.content_encoding or None,
            message_id=message.message_id,
            delivery_mode=PERSISTENT,
            headers=dict(headers or {}),
        )
        with translated():
            try:
                await self.confirming.basic_publish(
                    message.body,
                    exchange=exchange,
                    routing_key=message.routing_key,
                    properties=properties,
                    mandatory=True,
                    timeout=timeout_s,
                    wait=False,
                )
            except PublishError as exc:
                self.connection.mark_lost(exc)  # the next connection declares the queue, if this user may
                raise BrokerUnavailable(
                    f"no queue takes what is published to {exchange}: has notify-sse been started on this broker?"
                ) from exc

    async def announce(self, topology: Topology, body: bytes) -> None:
        """Publish to the live exchange without waiting for anything.

        Returns at once: aiormq's `basic_publish` does not suspend while its write queue has room, which is looked at
        first.
        """
        if self.connection.blocked or self.connection.backed_up:
            raise BrokerUnavailable("the broker reads nothing now")
        with translated():
            await self.announcing.basic_publish(
                body,
                exchange=topology.live,
                routing_key=LIVE_KEY,
                properties=spec.Basic.Properties(content_type="application/msgpack", delivery_mode=TRANSIENT),
                wait=False,
            )


def deadline_after(timeout_s: float) -> float:
    """The monotonic time at which `timeout_s` from now has passed."""
    return time.monotonic() + timeout_s


def remaining_s(deadline_s: float) -> float:
    """Seconds until `deadline_s`; never negative."""
    return max(0.0, deadline_s - time.monotonic())
