"""The consuming connection to RabbitMQ: the ingest queue, and this process's own queue on the live exchange.

A connection of its own: an alarm of the broker blocks the socket of whoever publishes, and acks must not wait for that.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Final

from aiormq import Channel

from notify_sse.broker.connection import CONNECT_TIMEOUT_S, FOREIGN, Session
from notify_sse.broker.topology import LIVE_KEY, Topology
from notify_sse.broker.wire import Received
from notify_sse.ports import Delivery

LIVE_QUEUE_MAX_MESSAGES: Final = 10_000
DEFAULT_CONTENT_TYPE: Final = "application/json"


class IngestConsumer:
    """The ingest queue on one channel: which deliveries are out, and how they are acked."""

    def __init__(self, on_delivery: Callable[[Delivery], None]) -> None:
        self._on_delivery = on_delivery
        self._channel: Channel | None = None
        self._outstanding: dict[int, None] = {}
        self._stopping = False

    async def consume(self, session: Session, *, queue: str, prefetch: int) -> None:
        """Start the flow. The broker makes one consumer of the queue the active one; the others wait."""
        channel = await session.channel()
        await channel.basic_qos(prefetch_count=prefetch, timeout=CONNECT_TIMEOUT_S)
        self._channel = channel
        await session.consume(channel, queue, on_message=self._deliver)

    def _deliver(self, message: Received) -> None:
        if self._stopping:
            return
        self._outstanding[message.tag] = None
        self._on_delivery(
            Delivery(
                body=message.body,
                routing_key=message.routing_key,
                content_type=message.content_type or DEFAULT_CONTENT_TYPE,
                message_id=message.message_id or None,
                redelivered=message.redelivered,
                tag=(self, message.tag),
            )
        )

    async def stop(self) -> None:
        """Hand over nothing more; once what was handed over is acked, let another process become active.

        The channel stays until then. Cancelling the consumer at once would make another process active while
        messages are still in hand here, and it would store later ones of a recipient before earlier ones.
        """
        self._stopping = True
        await self._leave_when_done()

    async def ack(self, tags: Sequence[int]) -> None:
        """Ack `tags`: with one frame what is contiguous from the lowest outstanding, one by one what is beyond."""
        if self._channel is None:
            return
        wanted = {tag for tag in tags if tag in self._outstanding}
        upto = 0
        while wanted and (lowest := next(iter(self._outstanding))) in wanted:
            wanted.discard(lowest)
            del self._outstanding[lowest]
            upto = lowest
        if upto:
            await self._channel.basic_ack(upto, multiple=True, wait=False)
        for tag in sorted(wanted):
            del self._outstanding[tag]
            await self._channel.basic_ack(tag, wait=False)
        await self._leave_when_done()

    async def _leave_when_done(self) -> None:
        channel = self._channel
        if self._stopping and not self._outstanding and channel is not None:
            self._channel = None
            await channel.close(timeout=CONNECT_TIMEOUT_S)


async def listen_live(
    session: Session, topology: Topology, *, max_messages: int, on_announcement: Callable[[bytes], None]
) -> None:
    """A fresh queue on the live exchange for this session: exclusive, bounded, gone with the connection.

    Bounded by dropping the oldest: a hole is repaired from the log. Without acks, as there is nothing to redeliver.
    """
    channel = await session.channel()
    queue = f"{topology.live}.{uuid.uuid4().hex}"
    await channel.queue_declare(
        queue,
        exclusive=True,
        arguments={"x-max-length": max_messages, "x-overflow": "drop-head"},
        timeout=CONNECT_TIMEOUT_S,
    )
    await channel.queue_bind(queue, topology.live, LIVE_KEY, timeout=CONNECT_TIMEOUT_S)
    await session.consume(channel, queue, on_message=lambda message: on_announcement(message.body), no_ack=True)


async def ack_all(deliveries: Sequence[Delivery]) -> None:
    """Ack each delivery on the consumer that it came from. A dead one's are skipped: they will be redelivered."""
    by_consumer: dict[IngestConsumer, list[int]] = {}
    for delivery in deliveries:
        consumer, tag = delivery.tag
        by_consumer.setdefault(consumer, []).append(tag)
    for consumer, tags in by_consumer.items():
        try:
            await consumer.ack(tags)
        except FOREIGN:
            continue
