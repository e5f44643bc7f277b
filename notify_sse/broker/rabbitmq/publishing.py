"""The publishing connection to RabbitMQ: notifications and dead letters with confirms, announcements without.

A connection of its own, because an alarm of the broker blocks the socket of whoever publishes. Nothing here waits
without a limit.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from aiormq import Channel, PublishError, spec

from notify_sse.broker.rabbitmq.session import Session, translated
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable

PERSISTENT: Final = 2
TRANSIENT: Final = 1


class PublishingChannels:
    """What is prepared on each session of the publishing connection."""

    def __init__(self, session: Session, confirming: Channel, announcing: Channel) -> None:
        self.session = session
        self.confirming = confirming
        self.announcing = announcing

    @classmethod
    async def open(cls, session: Session) -> "PublishingChannels":
        channels = cls(session, await session.channel(confirms=True), await session.channel())
        session.watch(channels.confirming.closing)
        session.watch(channels.announcing.closing)
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

        A message that no queue takes is an error, although RabbitMQ confirms it: it is safe nowhere.
        """
        properties = spec.Basic.Properties(
            content_type=message.content_type,
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
                self.session.lose(exc)  # the next one declares the queue, where we may
                raise BrokerUnavailable(
                    f"no queue takes what is published to {exchange}: has notify-sse been started on this broker?"
                ) from exc

    async def announce(self, topology: Topology, body: bytes) -> None:
        """Publish to the live exchange without waiting for anything.

        aiormq's `basic_publish` does not suspend while its write queue has room, so with the checks before it this
        returns at once.
        """
        if self.session.blocked or self.session.backed_up:
            raise BrokerUnavailable("the broker reads nothing now")
        with translated():
            await self.announcing.basic_publish(
                body,
                exchange=topology.live,
                routing_key=LIVE_KEY,
                properties=spec.Basic.Properties(content_type="application/msgpack", delivery_mode=TRANSIENT),
                wait=False,
            )


def deadline(timeout_s: float) -> float:
    """The monotonic time at which `timeout_s` from now has passed."""
    return time.monotonic() + timeout_s


def left(deadline_s: float) -> float:
    """How long until then; never negative."""
    return max(0.0, deadline_s - time.monotonic())
