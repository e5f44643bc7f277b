"""The consuming AMQP connection: the ingest queue, and this process's own queue on the live exchange.

It is a connection of its own: during a memory or disk alarm RabbitMQ stops reading from every connection that
publishes, and acks must not wait for that.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiormq import Channel

from notify_sse.broker.rabbitmq.amqp_connection import CONNECT_TIMEOUT_S, FOREIGN_ERRORS, AmqpConnection
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.broker.rabbitmq.wire import Received
from notify_sse.core.ports import Delivery

LIVE_QUEUE_MAX_MESSAGES: Final = 10_000
DEFAULT_CONTENT_TYPE: Final = "application/json"


class IngestConsumer:
    """The ingest queue on one channel: which deliveries are not acked yet, and how they are acked."""

    def __init__(self, on_delivery: Callable[[Delivery], None], *, on_returned: Callable[[], None]) -> None:
        self._on_delivery = on_delivery
        self._on_returned = on_returned
        self._channel: Channel | None = None
        self._close_channel: Callable[[], Awaitable[None]] | None = None
        self._outstanding: OrderedDict[int, bool] = OrderedDict()
        """The tags that RabbitMQ waits for, in queue order. The value says whether ingest is done with it, so that an
        ack may be sent. Not a dict: finding the first key of a dict walks over all that were removed before it."""
        self._acking = asyncio.Lock()
        self._stopping = False
        self._gone = False

    async def consume(self, connection: AmqpConnection, *, queue: str, prefetch: int) -> None:
        """Start consuming. The broker makes one consumer of the queue the active one; the others wait."""
        connection.on_lost(self._return)
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=prefetch, timeout=CONNECT_TIMEOUT_S)
        self._channel = channel
        self._close_channel = await connection.consume(channel, queue, on_message=self._deliver)
        async with self._acking:
            # stop() or give_back() may have been called meanwhile.
            await (self._close() if self._gone else self._close_when_done())

    def _deliver(self, message: Received) -> None:
        if self._stopping or self._gone:
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
                content_encoding=message.content_encoding,
            )
        )

    async def stop(self) -> None:
        """Hand over no more deliveries. Once all of them are acked, close the channel: another process is active then.

        Cancelling the consumer at once would make another process active while this one still holds deliveries.
        The other process would then store later notifications of a recipient before earlier ones.
        """
        self._stopping = True
        async with self._acking:
            await self._close_when_done()

    async def give_back(self) -> None:
        """Close the channel at once: RabbitMQ has back, in order, what is not acked. Acks under way are sent first."""
        async with self._acking:
            self._return()
            await self._close()

    def _return(self) -> None:
        """All that was handed over and not acked is RabbitMQ's again. An ack for it would name nothing."""
        if not self._gone:
            self._gone = True
            self._outstanding.clear()
            self._on_returned()

    async def ack(self, tags: Sequence[int]) -> None:
        """Ack `tags`: those from the lowest outstanding tag on with one frame, those beyond a gap one by one.

        Example: 1 to 5 are outstanding, and 1, 2 and 4 are acked. One frame says "all up to 2", another says "4". Tag 3
        stays outstanding; the next call that acks it sends "all up to 3".
        """
        wanted = [tag for tag in tags if tag in self._outstanding]
        self._outstanding.update(dict.fromkeys(wanted, True))
        # One call sends at a time. If a frame "all up to a later tag" overtook the frame of an earlier tag, RabbitMQ
        # would not know the earlier tag any more, and would close the channel.
        async with self._acking:
            if self._channel is None:
                return
            if upto := self._take_contiguous():
                await self._channel.basic_ack(upto, multiple=True, wait=False)
            # What is left of `wanted` lies beyond a gap. A call that waited for the lock may find its tags acked.
            for tag in wanted:
                if self._outstanding.pop(tag, None):
                    await self._channel.basic_ack(tag, wait=False)
            await self._close_when_done()

    def _take_contiguous(self) -> int:
        """Forget the done tags before the first that is not done; returns the last of them, or 0."""
        upto = 0
        while self._outstanding:
            lowest = next(iter(self._outstanding))
            if not self._outstanding[lowest]:
                break
            del self._outstanding[lowest]
            upto = lowest
        return upto

    async def _close_when_done(self) -> None:
        if self._stopping and not self._outstanding:
            await self._close()

    async def _close(self) -> None:
        if self._close_channel is not None:
            close_channel, self._close_channel, self._channel = self._close_channel, None, None
            await close_channel()


async def listen_live(
    connection: AmqpConnection, topology: Topology, *, max_messages: int, on_announcement: Callable[[bytes], None]
) -> None:
    """Consume the announcements from a new queue that is exclusive to this connection, and goes with it.

    The queue is bounded and drops its oldest message: that is a hole, which the relay repairs from the log. There are
    no acks, since nothing has to be redelivered.
    """
    channel = await connection.channel()
    queue = f"{topology.live}.{uuid.uuid4().hex}"
    await channel.queue_declare(
        queue,
        exclusive=True,
        arguments={"x-max-length": max_messages, "x-overflow": "drop-head"},
        timeout=CONNECT_TIMEOUT_S,
    )
    await channel.queue_bind(queue, topology.live, LIVE_KEY, timeout=CONNECT_TIMEOUT_S)
    await connection.consume(channel, queue, on_message=lambda message: on_announcement(message.body), no_ack=True)


async def ack_all(deliveries: Sequence[Delivery]) -> None:
    """Ack each delivery on the consumer that it came from. When that is lost, skip: RabbitMQ will redeliver."""
    by_consumer: dict[IngestConsumer, list[int]] = {}
    for delivery in deliveries:
        consumer, tag = delivery.tag
        by_consumer.setdefault(consumer, []).append(tag)
    for consumer, tags in by_consumer.items():
        try:
            await consumer.ack(tags)
        except FOREIGN_ERRORS:
            continue
