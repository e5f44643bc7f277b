"""The consuming connection to RabbitMQ: the ingest queue, and this process's own queue on the live exchange.

A connection of its own: an alarm of the broker blocks the socket of whoever publishes, and acks must not wait for that.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from notify_sse.broker.connection import CONNECT_TIMEOUT_S, FOREIGN, FRAME_BUFFER, Session
from notify_sse.broker.topology import LIVE_KEY, Topology
from notify_sse.ports import Delivery

LIVE_QUEUE_MAX_MESSAGES: Final = 10_000
DEFAULT_CONTENT_TYPE: Final = "application/json"


class OrderedChannel(aiormq.Channel):
    """A channel that hands over each message inside its own reader.

    aiormq starts a task for each message: slow, and the order is then the event loop's. `on_message` must not block.
    """

    def __init__(
        self, connection: Any, number: int, *, on_message: Callable[[DeliveredMessage], None], frame_buffer: int
    ) -> None:
        super().__init__(connection, number, publisher_confirms=False, frame_buffer=frame_buffer)
        self._on_message = on_message

    async def _on_deliver_frame(self, frame: spec.Basic.Deliver) -> None:
        header: Any = await self._get_frame()
        self._on_message(await self._read_content(frame, header))


async def open_ordered(session: Session, *, on_message: Callable[[DeliveredMessage], None]) -> OrderedChannel:
    """An `OrderedChannel` on the session's connection; its loss, or its consumer's, is the session's."""
    connection = session.underlay
    number = max(connection.channels, default=0) + 1
    channel = OrderedChannel(connection, number, on_message=on_message, frame_buffer=FRAME_BUFFER)
    connection.channels[number] = channel
    await channel.open(timeout=CONNECT_TIMEOUT_S)
    session.watch(channel.closing)
    channel.on_consumer_cancel_callbacks.add(
        lambda _: session.lose(aiormq.ChannelClosed(None, "the queue was removed"))
    )
    return channel


async def _ignore(_: DeliveredMessage) -> None:
    """What aiormq wants as a consumer; the messages go the other way."""


class IngestConsumer:
    """The ingest queue on one channel: which deliveries are out, and how they are acked."""

    def __init__(self, on_delivery: Callable[[Delivery], None]) -> None:
        self._on_delivery = on_delivery
        self._channel: OrderedChannel | None = None
        self._outstanding: dict[int, None] = {}
        self._stopping = False

    async def consume(self, session: Session, *, queue: str, prefetch: int) -> None:
        """Start the flow. The broker makes one consumer of the queue the active one; the others wait."""
        channel = await open_ordered(session, on_message=self._deliver)
        await channel.basic_qos(prefetch_count=prefetch, timeout=CONNECT_TIMEOUT_S)
        self._channel = channel
        await channel.basic_consume(queue, _ignore, timeout=CONNECT_TIMEOUT_S)

    def _deliver(self, message: DeliveredMessage) -> None:
        if self._stopping:
            return
        delivery = message.delivery
        assert isinstance(delivery, spec.Basic.Deliver)
        assert delivery.delivery_tag is not None
        properties = message.header.properties
        self._outstanding[delivery.delivery_tag] = None
        self._on_delivery(
            Delivery(
                body=message.body,
                routing_key=delivery.routing_key or "",
                content_type=properties.content_type or DEFAULT_CONTENT_TYPE,
                message_id=properties.message_id or None,
                redelivered=bool(delivery.redelivered),
                tag=(self, delivery.delivery_tag),
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
    channel = await open_ordered(session, on_message=lambda message: on_announcement(message.body))
    queue = f"{topology.live}.{uuid.uuid4().hex}"
    await channel.queue_declare(
        queue,
        exclusive=True,
        arguments={"x-max-length": max_messages, "x-overflow": "drop-head"},
        timeout=CONNECT_TIMEOUT_S,
    )
    await channel.queue_bind(queue, topology.live, LIVE_KEY, timeout=CONNECT_TIMEOUT_S)
    await channel.basic_consume(queue, _ignore, no_ack=True, timeout=CONNECT_TIMEOUT_S)


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
