"""One AMQP connection, from connect to loss; and the one place where aio-pika's exceptions become ours.

It uses aio-pika's plain connection. `link.py` makes a new one after a loss. This module knows nothing of the topology.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import ConnectionParameter
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from yarl import URL

from notify_sse.broker.rabbitmq.confirms import Confirms
from notify_sse.broker.rabbitmq.wire import DeliveryTap, Received, Wire
from notify_sse.errors import BrokerUnavailable

HEARTBEAT_S: Final = 10
SILENCE_S: Final = 12.0
CONNECT_TIMEOUT_S: Final = 5.0
QUEUE_TIMEOUT_S: Final = 15.0
"""For what needs a queue. A broker that has just started takes longer for one than for anything else: who asks again
meanwhile makes it slower.
"""
CLOSE_TIMEOUT_S: Final = 2.0
FRAME_BUFFER: Final = 1000
MAX_UNSENT_BYTES: Final = 1_048_576
FOREIGN_ERRORS: Final = (*CONNECTION_EXCEPTIONS, TimeoutError)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what aio-pika raises into `BrokerUnavailable`.

    When a connection is lost, aiormq raises CancelledError in every task that waits for a confirm. It is a true
    cancellation only if somebody asked this task to cancel.
    """
    try:
        yield
    except FOREIGN_ERRORS as exc:
        raise BrokerUnavailable(f"the broker did not confirm: {one_line(exc)}") from exc
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable("the connection to the broker was lost") from exc


def one_line(exc: BaseException | None) -> str:
    """An exception as one short line of text."""
    return " ".join(f"{type(exc).__name__}: {exc}".split())[:300]


class _AioPikaConnection(aio_pika.Connection):
    """aio-pika's plain connection, with a parameter for who opens the socket."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )


class AmqpConnection:
    """One AMQP connection. It is used until it is lost, and never repaired."""

    def __init__(self, connection: aio_pika.Connection, wire: Wire) -> None:
        assert connection.transport is not None
        self._connection = connection
        self._wire = wire
        aiormq_connection = connection.transport.connection
        assert isinstance(aiormq_connection, aiormq.Connection)
        self.aiormq_connection = aiormq_connection
        self._lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._on_lost: list[Callable[[], None]] = []
        self.watch(self.aiormq_connection.closing)

    @classmethod
    async def open(cls, url: URL, *, name: str) -> "AmqpConnection":
        """Connect to `url`. The broker lists the connection under `name`."""
        wire = Wire()
        url = url.update_query(heartbeat=HEARTBEAT_S)
        connection = _AioPikaConnection(url, client_properties={"connection_name": name}, transport_factory=wire)
        try:
            # Not aio-pika's own limit: that is a task inside, whose error nobody sees when this one is cancelled.
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection.connect()
        except BaseException as exc:
            wire.abort()
            await connection.close()
            if isinstance(exc, aiormq.InvalidFrameError) and "Connection.OpenOk" in str(exc):
                # aiormq's own message has an object's address in it, and not the reason.
                raise aiormq.ConnectionNotAllowed(530, "the virtual host was not opened") from None
            raise
        return cls(connection, wire)

    async def close(self) -> None:
        """Close the connection: with AMQP's closing handshake while it works, at once when it is lost."""
        if self._lost.done():
            self._wire.abort()
        try:
            with suppress(*FOREIGN_ERRORS):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._connection.close()
        finally:
            self._wire.abort()

    def watch(self, closing: "asyncio.Future[Any]") -> None:
        """When `closing` (of the connection, or of a channel that its owner needs) is done, the connection is lost."""
        closing.add_done_callback(self._on_closing)

    def _on_closing(self, closing: "asyncio.Future[Any]") -> None:
        self.mark_lost(asyncio.CancelledError() if closing.cancelled() else closing.exception())

    def mark_lost(self, cause: BaseException | None) -> None:
        """Give up this connection; the link then makes a new one. Only the first cause counts."""
        if not self._lost.done():
            self._lost.set_result(cause)
            for callback in self._on_lost:
                callback()

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the moment in which the connection is lost or closed."""
        self._on_lost.append(callback)

    async def wait_lost(self) -> BaseException | None:
        """Wait until the connection is lost; returns why.

        Silence is a loss too. RabbitMQ sends a heartbeat every `HEARTBEAT_S / 2`; aiormq would wait three times
        `HEARTBEAT_S` before it noticed.
        """
        while not self._lost.done():
            await asyncio.wait([self._lost], timeout=SILENCE_S / 4)
            if self._wire.silent_s > SILENCE_S:
                self.mark_lost(TimeoutError(f"no heartbeat from the broker for {SILENCE_S:g} s"))
        return self._lost.result()

    @property
    def blocked(self) -> bool:
        """Whether the broker reads nothing from us, because of a memory or disk alarm.

        aiormq shows that only through `ready()`, which waits until the alarm is over. One step of that coroutine
        answers without waiting.
        """
        ready = self.aiormq_connection.ready()
        try:
            ready.send(None)
        except StopIteration:
            return False
        ready.close()
        return True

    @property
    def backed_up(self) -> bool:
        """Whether earlier writes to this connection still wait to be sent."""
        return self.aiormq_connection.write_queue.full() or self._wire.unsent_bytes > MAX_UNSENT_BYTES

    async def room(self) -> None:
        """Wait until earlier writes to this connection were mostly sent."""
        if self._wire.unsent_bytes > MAX_UNSENT_BYTES:
            await self._wire.drain()

    async def confirms(self) -> Confirms:
        """A channel to publish on with confirms. When a message has no queue, or the channel is lost, so is the
        connection: the next one declares the queues, if this user may.
        """
        channel = await self.channel(confirms=True)
        self.watch(channel.closing)
        frame_max = self.aiormq_connection.connection_tune.frame_max
        confirms = Confirms(self._wire, channel.number, frame_max=frame_max, on_returned=self.mark_lost)
        self.on_lost(lambda: confirms.lose(self._why_lost()))
        return confirms

    def _why_lost(self) -> str:
        cause = self._lost.result()
        if cause is None or isinstance(cause, asyncio.CancelledError):
            return "the connection to the broker was lost"
        return f"the broker did not confirm: {one_line(cause)}"

    async def channel(self, *, confirms: bool = False) -> aiormq.Channel:
        """A new channel; not watched yet."""
        channel = await self.aiormq_connection.channel(
            publisher_confirms=confirms,
            on_return_raises=True,
            frame_buffer_size=FRAME_BUFFER,
            timeout=CONNECT_TIMEOUT_S,
        )
        assert isinstance(channel, aiormq.Channel)
        return channel

    async def consume(
        self,
        channel: aiormq.Channel,
        queue: str,
        *,
        on_message: Callable[[Received], None],
        has_room: Callable[[int], bool] = lambda _: True,
        no_ack: bool = False,
        traces: bool = False,
    ) -> Callable[[], Awaitable[None]]:
        """Consume `queue`: `on_message` is called for each message, in order, while the socket is read.

        `has_room`, `traces`: see `DeliveryTap`. `channel` was opened for this queue only. When the channel or the queue
        is lost, so is the connection. Returns a coroutine function that closes the channel on purpose.
        """
        closing = channel.closing
        self.watch(closing)
        channel.on_consumer_cancel_callbacks.add(
            lambda _: self.mark_lost(aiormq.ChannelClosed(None, f"{queue} was removed"))
        )
        self._wire.tap(channel.number, DeliveryTap(on_message, has_room=has_room, traces=traces))
        await channel.basic_consume(queue, _unused_consumer, no_ack=no_ack, timeout=QUEUE_TIMEOUT_S)

        async def close_channel() -> None:
            closing.remove_done_callback(self._on_closing)
            await channel.close(timeout=CONNECT_TIMEOUT_S)

        return close_channel

    @asynccontextmanager
    async def temporary_channel(self, *, confirms: bool = False) -> AsyncIterator[aiormq.Channel]:
        """A channel for commands that may fail. RabbitMQ closes a channel on a refusal; nobody else uses this one.

        Messages that were got on it and not acked go back to their queue.
        """
        channel = await self.channel(confirms=confirms)
        try:
            yield channel
        finally:
            with suppress(*FOREIGN_ERRORS):
                await channel.close(timeout=CONNECT_TIMEOUT_S)


async def _unused_consumer(_: object) -> None:
    """A consumer, because aiormq asks for one. It gets no messages: the tap takes them all."""
