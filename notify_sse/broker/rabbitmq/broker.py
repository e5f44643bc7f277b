"""The `Broker` port on RabbitMQ: two AMQP connections, and what is done on each.

One consumes (ingest queue, live queue), one publishes (notifications, announcements, dead letters). A `Link` keeps each
of them up. The broker counts as connected while every link that was started is up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from aiormq import ChannelAccessRefused
from aiormq.exceptions import ChannelNotFoundEntity

from notify_sse.broker import DEFAULT_HELD_BYTES, DEFAULT_MESSAGE_BYTES
from notify_sse.broker.rabbitmq import dead_letters
from notify_sse.broker.rabbitmq.amqp_connection import QUEUE_TIMEOUT_S, AmqpConnection, one_line, translated
from notify_sse.broker.rabbitmq.consuming import LIVE_QUEUE_MAX_MESSAGES, Budget, IngestConsumer, ack_all, listen_live
from notify_sse.broker.rabbitmq.dead_letter_queue import DeadLetterQueue
from notify_sse.broker.rabbitmq.link import Link
from notify_sse.broker.rabbitmq.looking import kept_in
from notify_sse.broker.rabbitmq.publishing import PublishingChannels, deadline_after, remaining_s
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.core.ports import Chosen, DeadLetter, Delivery, Listener, Message, Queued, Visit
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.outage import Outage

logger = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S: Final = 10.0


class RabbitMQBroker:
    """See `ports.Broker`.

    All but `announce` wait for a lost connection to come back, at most `publish_timeout_s`.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        prefix: str,
        prefetch: int,
        held_bytes: int = DEFAULT_HELD_BYTES,
        message_bytes: int = DEFAULT_MESSAGE_BYTES,
        publish_timeout_s: float = PUBLISH_TIMEOUT_S,
        live_queue_max_messages: int = LIVE_QUEUE_MAX_MESSAGES,
    ) -> None:
        self._topology = Topology(prefix=prefix)
        self._budget = Budget(prefetch, held_bytes, message_bytes)
        self._publish_timeout_s = publish_timeout_s
        self._live_queue_max_messages = live_queue_max_messages
        outage = Outage("the broker")

        def link(name: str, prepare: Callable[[AmqpConnection], Awaitable[None]]) -> Link:
            return Link(broker_url, name=name, prepare=prepare, outage=outage, on_change=self._link_changed)

        self._consuming = link("consuming", self._prepare_consuming)
        self._publishing = link("publishing", self._prepare_publishing)
        self._links: list[Link] = []
        self._listener: Listener | None = None
        self._channels: PublishingChannels | None = None
        self._ingest: IngestConsumer | None = None
        self._consume_ingest = False
        self._told_of_live = False
        self._paused = False
        self._prepared: AmqpConnection | None = None
        self._beginning = asyncio.Lock()
        self._connected = False
        self._declaring = asyncio.Lock()
        self._dead = DeadLetterQueue(self._topology.dead, timeout_s=publish_timeout_s)

    @property
    def connected(self) -> bool:
        return self._connected

    @property
    def held_bytes(self) -> int:
        return self._ingest.held_bytes if self._ingest is not None else 0

    async def start(self, listener: Listener) -> None:
        self._listener = listener
        self._consume_ingest = listener.on_delivery is not None
        listens = self._consume_ingest or listener.on_announcement is not None
        self._links = [self._publishing, self._consuming] if listens else [self._publishing]
        for link in self._links:
            link.start()

    async def stop_consuming(self) -> None:
        self._consume_ingest = False
        if self._ingest is not None:
            with suppress(BrokerUnavailable), translated():
                await self._ingest.stop()

    async def pause_consuming(self) -> None:
        self._paused = True
        ingest, self._ingest = self._ingest, None
        if ingest is not None:
            with self._lost_if_it_fails(self._prepared), translated():
                await ingest.give_back()

    async def resume_consuming(self) -> None:
        self._paused = False
        with self._lost_if_it_fails(self._prepared), translated():
            await self._consume()

    @contextmanager
    def _lost_if_it_fails(self, connection: AmqpConnection | None) -> Iterator[None]:
        """The next connection then begins as it should be."""
        try:
            yield
        except BrokerUnavailable as exc:
            if connection is not None:
                connection.mark_lost(exc)
            raise

    async def close(self) -> None:
        await asyncio.gather(*(link.close() for link in self._links))
        self._links = []

    async def publish(self, message: Message) -> None:
        deadline_s = deadline_after(self._publish_timeout_s)
        channels = await self._publishing_channels(deadline_s)
        await channels.publish(self._topology.notifications, message, timeout_s=remaining_s(deadline_s))

    async def publish_many(self, messages: Sequence[Message]) -> list[BrokerUnavailable | None]:
        deadline_s = deadline_after(self._publish_timeout_s)
        try:
            channels = await self._publishing_channels(deadline_s)
        except BrokerUnavailable as exc:
            return [exc] * len(messages)
        exchange = self._topology.notifications
        return await channels.publish_many(exchange, messages, timeout_s=remaining_s(deadline_s))

    async def announce(self, body: bytes) -> None:
        self._publishing.connection_now()
        assert self._channels is not None
        await self._channels.announce(self._topology, body)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await ack_all(deliveries)

    async def dead_letter(self, delivery: Delivery, *, reason: str, detail: str) -> None:
        deadline_s = deadline_after(self._publish_timeout_s)
        channels = await self._publishing_channels(deadline_s)
        await channels.publish(
            self._topology.dead_letter_exchange,
            Message(
                body=delivery.body,
                routing_key=dead_letters.cut_to_short_string(delivery.routing_key),
                message_id=dead_letters.cut_to_short_string(delivery.message_id or ""),
                content_type=dead_letters.cut_to_short_string(delivery.content_type),
                content_encoding=dead_letters.cut_to_short_string(delivery.content_encoding),
                trace=delivery.trace,
            ),
            timeout_s=remaining_s(deadline_s),
            headers=dead_letters.headers_of(delivery, reason=reason, detail=detail),
        )

    async def queued(self) -> Queued:
        connection = self._publishing.connection_now()
        with translated():
            async with connection.temporary_channel() as channel:
                sizes = [
                    (await channel.queue_declare(queue, passive=True, timeout=self._publish_timeout_s)).message_count
                    for queue in (self._topology.ingest, self._topology.dead)
                ]
        return Queued(*(size or 0 for size in sizes))

    async def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        connection = await self._publishing.connection(timeout_s=self._publish_timeout_s)
        await self._dead.look(connection, kept_in(found), limit=limit)
        return found

    async def visit_dead_letters(self, visit: Visit) -> None:
        connection = await self._publishing.connection(timeout_s=self._publish_timeout_s)
        await self._dead.look(connection, visit)

    async def replay_dead_letters(self, *, limit: int, chosen: Chosen | None = None) -> int:
        channels = await self._publishing_channels(deadline_after(self._publish_timeout_s))

        async def publish(letter: DeadLetter) -> None:
            message = dead_letters.message_of(letter)
            await channels.publish(self._topology.notifications, message, timeout_s=self._publish_timeout_s)

        return await self._dead.take(channels.connection, publish, limit=limit, chosen=chosen)

    async def purge_dead_letters(self, *, chosen: Chosen | None = None) -> int:
        connection = await self._publishing.connection(timeout_s=self._publish_timeout_s)
        if chosen is not None:
            return await self._dead.take(connection, None, limit=None, chosen=chosen)
        return await self._dead.purge(connection)

    async def _publishing_channels(self, deadline_s: float) -> PublishingChannels:
        await self._publishing.connection(timeout_s=remaining_s(deadline_s))
        assert self._channels is not None
        return self._channels

    async def _prepare_publishing(self, connection: AmqpConnection) -> None:
        # A user who may only publish cannot declare. Without a queue, each publish comes back as an error.
        with suppress(ChannelAccessRefused, ChannelNotFoundEntity):
            await self._declare(connection)
        self._channels = await PublishingChannels.open(connection)

    async def _prepare_consuming(self, connection: AmqpConnection) -> None:
        listener = self._listener
        assert listener is not None
        self._prepared = self._ingest = None
        await self._declare(connection)
        if listener.on_announcement is not None:
            await self._listen_live(connection, listener.on_announcement)
        self._prepared = connection
        await self._consume()

    async def _listen_live(self, connection: AmqpConnection, on_announcement: Callable[[bytes], None]) -> None:
        """Hear announcements, if this user may make a queue for them: the log is compared once a second anyway."""
        try:
            await listen_live(
                connection,
                self._topology,
                max_messages=self._live_queue_max_messages,
                on_announcement=on_announcement,
            )
        except ChannelAccessRefused as exc:
            if not self._told_of_live:
                self._told_of_live = True
                logger.error(  # noqa: TRY400 - one line
                    "the broker user may not make a queue of its own: announcements of other processes come up to a "
                    "second late, revocations not at all; grant it configure, write and read on ^%s\\.live",
                    self._topology.prefix.replace(".", "\\."),
                    extra={"action": "refused", "error": one_line(exc)},
                )

    async def _consume(self) -> None:
        """Consume the ingest queue, if this process is to, is not paused, and does not yet."""
        async with self._beginning:
            listener, connection = self._listener, self._prepared
            if listener is None or listener.on_delivery is None or connection is None:
                return
            if self._paused or self._ingest is not None or not self._consume_ingest:
                return
            # Known before it consumes: it may be told to pause or to stop in this very moment.
            self._ingest = ingest = IngestConsumer(listener, budget=self._budget)
            await ingest.consume(connection, queue=self._topology.ingest)

    async def _declare(self, connection: AmqpConnection) -> None:
        """Declare the topology, one link at a time and with a long timeout: RabbitMQ 3.10 can fail when two
        connections declare the same new quorum queue at once. Raises `ChannelNotFoundEntity` when something is not
        there, and this user may not make it.
        """
        async with self._declaring:
            try:
                async with connection.temporary_channel() as channel:
                    await self._topology.declare(channel, timeout_s=QUEUE_TIMEOUT_S)
            except ChannelAccessRefused:
                # This user may not make anything. That is no matter where everything was made by another.
                async with connection.temporary_channel() as channel:
                    await self._topology.find(channel, timeout_s=QUEUE_TIMEOUT_S)

    def _link_changed(self) -> None:
        was, self._connected = self._connected, all(link.up for link in self._links)
        if self._connected and not was and self._listener is not None:
            logger.info("connected to the broker", extra={"action": "broker_connected"})
            self._listener.on_connected()
