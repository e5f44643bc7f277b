"""The consuming AMQP connection: the ingest queue, and this process's own queue on the live exchange.

It is a connection of its own: during a memory or disk alarm RabbitMQ stops reading from every connection that
publishes, and acks must not wait for that.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from aiormq import Channel

from notify_sse.broker.rabbitmq.amqp_connection import (
    CONNECT_TIMEOUT_S,
    FOREIGN_ERRORS,
    QUEUE_TIMEOUT_S,
    AmqpConnection,
)
from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology
from notify_sse.broker.rabbitmq.wire import Received
from notify_sse.core.ports import Delivery, Listener

LIVE_QUEUE_MAX_MESSAGES: Final = 10_000
DEFAULT_CONTENT_TYPE: Final = "application/json"


class Budget(msgspec.Struct, frozen=True):
    """How much is taken out of the ingest queue: at most `prefetch` messages, and about `held_bytes` of bodies.

    A sound message has at most `message_bytes`: it is always held, and the prefetch allows for that size. A larger one
    is refused by ingest, with its reason, as long as a part of the budget has room for it; beyond that RabbitMQ itself
    moves it to the dead letters, and its body is never held here.
    """

    prefetch: int
    held_bytes: int
    message_bytes: int

    @property
    def messages(self) -> int:
        """The prefetch: so many messages of the largest size fit."""
        return max(1, min(self.prefetch, self.held_bytes // self.message_bytes))

    @property
    def too_large_bytes(self) -> int:
        """How many bytes of messages that are too large are held, so that they can be dead-lettered with a reason."""
        return self.held_bytes // 4


class IngestConsumer:
    """The ingest queue on one channel: which deliveries are not acked yet, and how they are acked."""

    def __init__(self, listener: Listener, *, budget: Budget) -> None:
        assert listener.on_delivery is not None
        self._on_delivery = listener.on_delivery
        self._traces = listener.traces
        self._on_returned = listener.on_returned or _ignored
        self._on_oversized = listener.on_oversized or _ignored
        self._budget = budget
        self._sizes: dict[int, int] = {}
        self.held_bytes = 0
        self._too_large_bytes = 0
        self._rejecting: set[asyncio.Task[None]] = set()
        self._channel: Channel | None = None
        self._close_channel: Callable[[], Awaitable[None]] | None = None
        self._outstanding: OrderedDict[int, bool] = OrderedDict()
        """The tags that RabbitMQ waits for, in queue order. The value says whether ingest is done with it, so that an
        ack may be sent. Not a dict: finding the first key of a dict walks over all that were removed before it."""
        self._acking = asyncio.Lock()
        self._stopping = False
        self._gone = False

    async def consume(self, connection: AmqpConnection, *, queue: str) -> None:
        """Start consuming. The broker makes one consumer of the queue the active one; the others wait."""
        connection.on_lost(self._return)
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=self._budget.messages, timeout=CONNECT_TIMEOUT_S)
        self._channel = channel
        self._close_channel = await connection.consume(
            channel, queue, on_message=self._deliver, has_room=self._has_room, traces=self._traces
        )
        async with self._acking:
            # stop() or give_back() may have been called meanwhile.
            await (self._close() if self._gone else self._close_when_done())

    def _deliver(self, message: Received) -> None:
        if self._stopping or self._gone:
            return
        self._outstanding[message.tag] = False
        if message.dropped:
            self._reject_in_background(message)
            return
        self._hold(message.tag, len(message.body))
        self._on_delivery(
            Delivery(
                body=message.body,
                routing_key=message.routing_key,
                content_type=message.content_type or DEFAULT_CONTENT_TYPE,
                message_id=message.message_id or None,
                redelivered=message.redelivered,
                tag=(self, message.tag),
                content_encoding=message.content_encoding,
                timestamp=message.timestamp,
                trace=message.trace,
            )
        )

    def _has_room(self, body_bytes: int) -> bool:
        fits = self._too_large_bytes + body_bytes <= self._budget.too_large_bytes
        return body_bytes <= self._budget.message_bytes or fits

    def _hold(self, tag: int, size: int) -> None:
        self._sizes[tag] = size
        self.held_bytes += size
        if size > self._budget.message_bytes:
            self._too_large_bytes += size

    def _forget(self, tag: int) -> bool | None:
        """What `_outstanding` says of `tag`, which leaves it; None when it is not there."""
        size = self._sizes.pop(tag, 0)
        self.held_bytes -= size
        if size > self._budget.message_bytes:
            self._too_large_bytes -= size
        return self._outstanding.pop(tag, None)

    def _reject_in_background(self, message: Received) -> None:
        self._on_oversized(message.body_bytes)
        task = asyncio.get_running_loop().create_task(self._reject(message.tag))
        self._rejecting.add(task)
        task.add_done_callback(self._rejecting.discard)

    async def _reject(self, tag: int) -> None:
        """RabbitMQ moves it to the dead letters, body and all. It stays outstanding until then: an ack of "all up to" a
        later tag would make it vanish.
        """
        async with self._acking:
            if self._channel is None or self._gone:
                return
            self._forget(tag)
            with suppress(*FOREIGN_ERRORS):  # the connection is lost, and the message comes again
                await self._channel.basic_reject(tag, requeue=False, wait=False)
            await self._close_when_done()

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
            self._sizes.clear()
            self.held_bytes = self._too_large_bytes = 0
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
                if self._forget(tag):
                    await self._channel.basic_ack(tag, wait=False)
            await self._close_when_done()

    def _take_contiguous(self) -> int:
        """Forget the done tags before the first that is not done; returns the last of them, or 0."""
        upto = 0
        while self._outstanding:
            lowest = next(iter(self._outstanding))
            if not self._outstanding[lowest]:
                break
            self._forget(lowest)
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
        # The type is named: the virtual host's default may be another, and a quorum queue cannot be exclusive.
        arguments={"x-queue-type": "classic", "x-max-length": max_messages, "x-overflow": "drop-head"},
        timeout=QUEUE_TIMEOUT_S,
    )
    await channel.queue_bind(queue, topology.live, LIVE_KEY, timeout=QUEUE_TIMEOUT_S)
    await connection.consume(channel, queue, on_message=lambda message: on_announcement(message.body), no_ack=True)


def _ignored(*_: object) -> None:
    """For a listener that does not ask."""


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
