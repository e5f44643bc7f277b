"""One connection to RabbitMQ from connect to loss, and the one place where aio-pika's exceptions become ours.

Plain aio-pika; how connections are made again after a loss is `link.py`'s affair. Knows nothing of the topology.
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

from notify_sse.broker.rabbitmq.wire import Received, Wire
from notify_sse.errors import BrokerUnavailable

HEARTBEAT_S: Final = 10
SILENCE_S: Final = 12.0
CONNECT_TIMEOUT_S: Final = 5.0
GOODBYE_TIMEOUT_S: Final = 2.0
FRAME_BUFFER: Final = 1000
MAX_UNSENT_BYTES: Final = 1_048_576
FOREIGN: Final = (*CONNECTION_EXCEPTIONS, TimeoutError)


@contextmanager
def translated() -> Iterator[None]:
    """What aio-pika raises becomes `BrokerUnavailable`; the one place where it does.

    A connection that is lost makes aiormq raise CancelledError in whoever waits for a confirm. That is told from a
    true cancellation by whether anyone asked this task to cancel.
    """
    try:
        yield
    except FOREIGN as exc:
        raise BrokerUnavailable(f"the broker did not confirm: {described(exc)}") from exc
    except asyncio.CancelledError as exc:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable("the connection to the broker was lost") from exc


def described(exc: BaseException | None) -> str:
    """An exception in one short line."""
    return " ".join(f"{type(exc).__name__}: {exc}".split())[:300]


class _Connection(aio_pika.Connection):
    """aio-pika's plain connection, which takes our way of opening the socket."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )


class Session:
    """One life of a connection, from connect to loss."""

    def __init__(self, connection: aio_pika.Connection, wire: Wire) -> None:
        assert connection.transport is not None
        self._connection = connection
        self._wire = wire
        underlay = connection.transport.connection
        assert isinstance(underlay, aiormq.Connection)
        self.underlay = underlay
        self._lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.watch(self.underlay.closing)

    @classmethod
    async def open(cls, url: URL, *, name: str) -> "Session":
        """Connect to `url`; the broker shows the connection under `name`."""
        wire = Wire()
        url = url.update_query(heartbeat=HEARTBEAT_S)
        connection = _Connection(url, client_properties={"connection_name": name}, transport_factory=wire)
        try:
            await connection.connect(timeout=CONNECT_TIMEOUT_S)
        except BaseException as exc:
            wire.abort()
            await connection.close()
            if isinstance(exc, aiormq.InvalidFrameError) and "Connection.OpenOk" in str(exc):
                # aiormq's own word for it names an object's address, and not the reason.
                raise aiormq.ConnectionNotAllowed(530, "the virtual host was not opened") from None
            raise
        return cls(connection, wire)

    async def close(self) -> None:
        """End the connection: with a goodbye while it works, and at once when it is lost."""
        if self._lost.done():
            self._wire.abort()
        try:
            with suppress(*FOREIGN):
                async with asyncio.timeout(GOODBYE_TIMEOUT_S):
                    await self._connection.close()
        finally:
            self._wire.abort()

    def watch(self, closing: "asyncio.Future[Any]") -> None:
        """When `closing` (of the connection, or of a channel that the owner needs) is done, the session is lost."""
        closing.add_done_callback(self._closed)

    def _closed(self, closing: "asyncio.Future[Any]") -> None:
        self.lose(asyncio.CancelledError() if closing.cancelled() else closing.exception())

    def lose(self, cause: BaseException | None) -> None:
        """End this session; the connection is then made anew. Only the first cause counts."""
        if not self._lost.done():
            self._lost.set_result(cause)

    async def lost(self) -> BaseException | None:
        """Wait until the session is lost; returns why.

        Silence is a loss too: RabbitMQ sends a heartbeat each half of HEARTBEAT_S. aiormq would wait three times as
        long.
        """
        while not self._lost.done():
            await asyncio.wait([self._lost], timeout=SILENCE_S / 4)
            if self._wire.silent_s > SILENCE_S:
                self.lose(TimeoutError(f"no heartbeat from the broker for {SILENCE_S:g} s"))
        return self._lost.result()

    @property
    def blocked(self) -> bool:
        """Whether the broker reads nothing from us, because of a memory or disk alarm.

        aiormq tells of that only through `ready()`, which waits; taking one step of it asks without waiting.
        """
        ready = self.underlay.ready()
        try:
            ready.send(None)
        except StopIteration:
            return False
        ready.close()
        return True

    @property
    def backed_up(self) -> bool:
        """Whether what was written to this connection before is still waiting to be sent."""
        return self.underlay.write_queue.full() or self._wire.unsent_bytes > MAX_UNSENT_BYTES

    async def channel(self, *, confirms: bool = False) -> aiormq.Channel:
        """A new channel; not watched yet."""
        channel = await self.underlay.channel(
            publisher_confirms=confirms,
            on_return_raises=True,
            frame_buffer_size=FRAME_BUFFER,
            timeout=CONNECT_TIMEOUT_S,
        )
        assert isinstance(channel, aiormq.Channel)
        return channel

    async def consume(
        self, channel: aiormq.Channel, queue: str, *, on_message: Callable[[Received], None], no_ack: bool = False
    ) -> Callable[[], Awaitable[None]]:
        """Have the messages of `queue` given to `on_message`, in order, from within the reading of the socket.

        `channel` was opened for this alone: its loss, or the queue's, is the session's. Returns what closes it on
        purpose.
        """
        closing = channel.closing
        self.watch(closing)
        channel.on_consumer_cancel_callbacks.add(
            lambda _: self.lose(aiormq.ChannelClosed(None, f"{queue} was removed"))
        )
        self._wire.tap(channel.number, on_message)
        await channel.basic_consume(queue, _never, no_ack=no_ack, timeout=CONNECT_TIMEOUT_S)

        async def leave() -> None:
            closing.remove_done_callback(self._closed)
            await channel.close(timeout=CONNECT_TIMEOUT_S)

        return leave

    @asynccontextmanager
    async def throwaway_channel(self, *, confirms: bool = False) -> AsyncIterator[aiormq.Channel]:
        """A channel for what may fail: a refusal closes a channel, and this one is nobody else's.

        What was got on it and not acked goes back to its queue.
        """
        channel = await self.channel(confirms=confirms)
        try:
            yield channel
        finally:
            with suppress(*FOREIGN):
                await channel.close(timeout=CONNECT_TIMEOUT_S)


async def _never(_: object) -> None:
    """The consumer that aiormq asks for; the tap takes all its messages."""
