"""The consuming connection to RabbitMQ: the ingest queue, and this process's own queue on the live exchange.

A connection of its own: an alarm of the broker blocks the socket of whoever publishes, and acks must not wait for that.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiormq import Channel

from notify_sse.broker.rabbitmq.session import CONNECT_TIMEOUT_S, FOREIGN, Session
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.broker.rabbitmq.wire import Received
from notify_sse.core.ports import Delivery

LIVE_QUEUE_MAX_MESSAGES: Final = 10_000
DEFAULT_CONTENT_TYPE: Final = "application/json"


class IngestConsumer:
    """The ingest queue on one channel: which deliveries are out, and how they are acked."""

    def __init__(self, on_delivery: Callable[[Delivery], None]) -> None:
        self._on_delivery = on_delivery
        self._channel: Channel | None = None
        self._leave: Callable[[], Awaitable[None]] | None = None
        self._outstanding: OrderedDict[int, bool] = OrderedDict()
        """The tags that are out, in queue order, each with whether it was acked. Not a dict, whose first key is found
        by walking over all that were removed before it."""
        self._acking = asyncio.Lock()
        self._stopping = False

    async def consume(self, session: Session, *, queue: str, prefetch: int) -> None:
        """Start the flow. The broker makes one consumer of the queue the active one; the others wait."""
        channel = await session.channel()
        await channel.basic_qos(prefetch_count=prefetch, timeout=CONNECT_TIMEOUT_S)
        self._channel = channel
        self._leave = await session.consume(channel, queue, on_message=self._deliver)
        async with self._acking:
            await self._leave_when_done()  # stop() may have come meanwhile

    def _deliver(self, message: Received) -> None:
        if self._stopping:
            return
        self._outstanding[message.tag] = False
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
        async with self._acking:
            await self._leave_when_done()

    async def ack(self, tags: Sequence[int]) -> None:
        """Ack `tags`: with one frame what is contiguous from the lowest outstanding, one by one what is beyond.

        One call sends at a time: were a frame for a later tag to overtake, RabbitMQ would not know the earlier one
        any more, and close the channel.
        """
        wanted = [tag for tag in tags if tag in self._outstanding]
        self._outstanding.update(dict.fromkeys(wanted, True))
        async with self._acking:
            if self._channel is None:
                return
            if upto := self._take_contiguous():
                await self._channel.basic_ack(upto, multiple=True, wait=False)
            for tag in wanted:
                if self._outstanding.pop(tag, None):
                    await self._channel.basic_ack(tag, wait=False)
            await self._leave_when_done()

    def _take_contiguous(self) -> int:
        """Forget the acked ones that no unacked one comes before; returns the last of them, or 0."""
        upto = 0
        while self._outstanding:
            lowest = next(iter(self._outstanding))
            if not self._outstanding[lowest]:
                break
            del self._outstanding[lowest]
            upto = lowest
        return upto

    async def _leave_when_done(self) -> None:
        if self._stopping and not self._outstanding and self._leave is not None:
            leave, self._leave, self._channel = self._leave, None, None
            await leave()


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
