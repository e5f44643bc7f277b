"""One connection to RabbitMQ that is kept up: connect, prepare, wait for the loss, back off, again.

Our own, and not aio-pika's `connect_robust`, which restores one thing at a time, keeps the name of a queue that the
broker may still hold for the dead connection, and is slow to notice a loss (docs/adr/0005-broker.md). Knows nothing
of queues: what is prepared on each new connection is its owner's affair.
"""

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import ConnectionParameter
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from aiormq import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from notify_sse.errors import BrokerUnavailable

HEARTBEAT_S: Final = 10
CONNECT_TIMEOUT_S: Final = 5.0
FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 2.0
UNANSWERED_S: Final = 10.0
"""What we sent (heartbeats among it) must be acknowledged by the peer's kernel within this time."""

FRAME_BUFFER: Final = 1000
MAX_UNSENT_BYTES: Final = 1_048_576

FOREIGN: Final = (*CONNECTION_EXCEPTIONS, TimeoutError)
ADVICE: Final = (
    (
        ChannelPreconditionFailed,
        (
            "an exchange or queue of ours exists on the broker with other properties: delete it when it is empty, "
            "or set another NOTIFY_SSE_AMQP_PREFIX; retrying until then"
        ),
    ),
    (
        (AuthenticationError, ProbableAuthenticationError),
        "the broker refuses the user or password of NOTIFY_SSE_BROKER_URL; retrying until it does not",
    ),
    (ConnectionNotAllowed, "the broker refuses the virtual host of NOTIFY_SSE_BROKER_URL; retrying until it does not"),
    (ChannelAccessRefused, "the broker user lacks a permission; retrying until it is granted"),
)
"""Refusals that need a person, each with what to do."""

log = logging.getLogger(__name__)


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


class Wire(TransportFactory):
    """Opens the socket for aiormq, and keeps hold of it, for what aiormq does not offer."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await factory.create(url, **options)
        sock = writer.get_extra_info("socket")
        with suppress(OSError, AttributeError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNANSWERED_S * 1000))
        self._writer = writer
        return reader, writer

    @property
    def unsent_bytes(self) -> int:
        """How much we have written that the socket has not taken."""
        return self._writer.transport.get_write_buffer_size() if self._writer else 0


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
        self._wire = wire
        underlay = connection.transport.connection
        assert isinstance(underlay, aiormq.Connection)
        self.underlay = underlay
        self._lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.watch(self.underlay.closing)

    def watch(self, closing: "asyncio.Future[Any]") -> None:
        """When `closing` (of a channel that the owner needs) is done, the whole session counts as lost."""
        closing.add_done_callback(
            lambda done: self.lose(asyncio.CancelledError() if done.cancelled() else done.exception())
        )

    def lose(self, cause: BaseException | None) -> None:
        """End this session; the connection is then made anew. Only the first cause counts."""
        if not self._lost.done():
            self._lost.set_result(cause)

    async def lost(self) -> BaseException | None:
        """Wait until the session is lost; returns why."""
        return await self._lost

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


class Link:
    """A connection to RabbitMQ that is made again after each loss, for ever.

    `prepare` is called on each new session, and makes it useful; the link is up once it returned. `on_change` is
    called after the link went up or down.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        name: str,
        prepare: Callable[[Session], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self._url = URL(broker_url).update_query(heartbeat=HEARTBEAT_S)
        self._name = name
        self._prepare = prepare
        self._on_change = on_change
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._attempt = 0
        self._down_since: float | None = None
        self._advised: str | None = None

    @property
    def up(self) -> bool:
        return self._session is not None

    def start(self) -> None:
        """Begin to connect, in the background. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"notify-sse {self._name}")

    async def close(self) -> None:
        """Disconnect, and stay so. Never raises."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def now(self) -> Session:
        """The session, if the link is up; else `BrokerUnavailable` at once."""
        if self._session is None:
            raise BrokerUnavailable("not connected to the broker")
        return self._session

    async def session(self, *, timeout_s: float) -> Session:
        """The session, waiting at most `timeout_s` for the link to come up."""
        if self._session is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._up.wait()
        return self.now()

    async def _keep(self) -> None:
        while True:
            cause = await self._live_once()
            self._tell_loss(cause)
            await asyncio.sleep(_pause_s(self._attempt))
            self._attempt += 1

    async def _live_once(self) -> BaseException | None:
        """One session from connect to loss; returns why it ended. Nothing but cancellation ends the task."""
        try:
            with translated():
                async with self._connected() as session:
                    return await session.lost()
        except BrokerUnavailable as exc:
            return exc.__cause__
        except Exception as exc:
            log.exception("unexpected error on the connection to the broker", extra={"action": "broker_error"})
            return exc

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Session]:
        wire = Wire()
        connection = _Connection(
            self._url,
            client_properties={"connection_name": f"notify-sse {self._name}"},
            transport_factory=wire,
        )
        try:
            await connection.connect(timeout=CONNECT_TIMEOUT_S)
            session = Session(connection, wire)
            await self._prepare(session)
            self._change(session)
            yield session
        finally:
            self._change(None)
            with suppress(*FOREIGN):
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await connection.close()

    def _change(self, session: Session | None) -> None:
        if session is self._session:
            return
        self._session = session
        if session is None:
            self._up.clear()
        else:
            self._up.set()
            self._tell_return()
        self._on_change()

    def _tell_loss(self, cause: BaseException | None) -> None:
        """Once for each outage, however many attempts it takes; what needs a person is told as soon as it is seen."""
        if self._down_since is None:
            self._down_since = time.monotonic()
            fields = {"action": "broker_lost", "link": self._name, "error": described(cause)}
            log.warning("no connection to the broker, retrying until there is", extra=fields)
        for kind, advice in ADVICE:
            if isinstance(cause, kind) and advice != self._advised:
                self._advised = advice
                fields = {"action": "broker_refused", "link": self._name, "error": described(cause)}
                log.error(advice, extra=fields)

    def _tell_return(self) -> None:
        fields: dict[str, Any] = {"action": "broker_connected", "link": self._name}
        if self._down_since is not None:
            fields["outage_s"] = round(time.monotonic() - self._down_since, 3)
        self._down_since = self._advised = None
        self._attempt = 0
        log.info("connected to the broker", extra=fields)


def _pause_s(attempt: int) -> float:
    """Doubling up to a cap, with jitter, so that many gateways do not come back in the same instant."""
    ceiling: float = min(LAST_RETRY_S, FIRST_RETRY_S * 2**attempt)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311  a pause is no secret
