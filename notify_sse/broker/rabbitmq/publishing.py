"""The publishing AMQP connection: notifications and dead letters with confirms, announcements without.

It is a connection of its own, because during a memory or disk alarm RabbitMQ stops reading from every connection that
publishes; acks must not wait for that. Nothing here waits without a limit.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiormq import Channel, spec

from notify_sse.broker.rabbitmq.amqp_connection import AmqpConnection, translated
from notify_sse.broker.rabbitmq.confirms import Confirms
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable

TRANSIENT: Final = 1
WRITTEN_TOGETHER: Final = 100
NOT_CONFIRMED: Final = BrokerUnavailable("the broker did not confirm it in time")


class PublishingChannels:
    """The two channels of the publishing connection, opened again on each new connection."""

    def __init__(self, connection: AmqpConnection, confirming: Confirms, announcing: Channel) -> None:
        self.connection = connection
        self.confirming = confirming
        self.announcing = announcing

    @classmethod
    async def open(cls, connection: AmqpConnection) -> "PublishingChannels":
        channels = cls(connection, await connection.confirms(), await connection.channel())
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
        """Publish and wait for the confirm."""
        with translated():
            async with asyncio.timeout(timeout_s):
                await self.connection.room()
                await self.confirming.publish(exchange, message, headers or {})

    async def publish_many(
        self, exchange: str, messages: Sequence[Message], *, timeout_s: float
    ) -> list[BrokerUnavailable | None]:
        """Publish in order, and wait for all confirms: None for each that came."""
        waiting: list[asyncio.Future[None]] = []
        try:
            with suppress(BrokerUnavailable), translated():
                async with asyncio.timeout(timeout_s):
                    for message in messages:
                        if len(waiting) % WRITTEN_TOGETHER == 0:  # the broker begins while the rest is packed
                            await asyncio.sleep(0)
                            await self.connection.room()
                        waiting.append(self.confirming.publish(exchange, message, {}))
                    if waiting:
                        await asyncio.wait(waiting)
        finally:
            for confirmed in waiting:
                confirmed.cancel()  # nobody waits for it any more; no effect when it is done
        not_sent = [NOT_CONFIRMED] * (len(messages) - len(waiting))
        return [_outcome(confirmed) for confirmed in waiting] + not_sent

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


def _outcome(confirmed: "asyncio.Future[None]") -> BrokerUnavailable | None:
    if confirmed.cancelled():
        return NOT_CONFIRMED
    error = confirmed.exception()
    assert error is None or isinstance(error, BrokerUnavailable)
    return error


def deadline_after(timeout_s: float) -> float:
    """The monotonic time at which `timeout_s` from now has passed."""
    return time.monotonic() + timeout_s


def remaining_s(deadline_s: float) -> float:
    """Seconds until `deadline_s`; never negative."""
    return max(0.0, deadline_s - time.monotonic())
