"""A link keeps one AMQP connection up: connect, prepare, wait for the loss, back off, connect again.

We do not use aio-pika's `connect_robust`. It restores one thing at a time, it keeps the name of a queue that the broker
may still hold for the dead connection, and it is slow to notice a loss (docs/adr/0005-broker.md). The owner of the link
says what to prepare on each new connection: channels, queues, consumers.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiormq import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelNotFoundEntity

from notify_sse.broker.rabbitmq import tls
from notify_sse.broker.rabbitmq.amqp_connection import AmqpConnection, one_line, translated
from notify_sse.broker.rabbitmq.quiet import tell_nothing_of_this_task
from notify_sse.core.backoff import Backoff
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.outage import Outage
from notify_sse.telemetry.redaction import redacted

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 2.0
DECLARED_OTHERWISE: Final = (
    "an exchange or queue of ours exists on the broker with other properties: delete it when it is empty, "
    "or set another NOTIFY_SSE_AMQP_PREFIX; retrying until then"
)
NOT_ACKED_IN_TIME: Final = (
    "the broker took deliveries back, because they were not stored within its consumer_timeout: look why the database "
    "is away or slow, or raise consumer_timeout; nothing has to be deleted"
)
TIMED_OUT: Final = "timed out"
"""What RabbitMQ says when it closes a channel for its consumer_timeout."""
ADVICE: Final = (
    (
        (AuthenticationError, ProbableAuthenticationError),
        "the broker refuses the user or password of NOTIFY_SSE_BROKER_URL; retrying until it does not",
    ),
    (ConnectionNotAllowed, "the broker refuses the virtual host of NOTIFY_SSE_BROKER_URL; retrying until it does not"),
    (
        ChannelAccessRefused,
        (
            "the broker user lacks a permission: it needs configure, write and read on the exchanges and queues of "
            "NOTIFY_SSE_AMQP_PREFIX (rabbitmqctl set_permissions); retrying until it is granted"
        ),
    ),
    (
        ChannelNotFoundEntity,
        (
            "an exchange or queue of ours is not there, and the broker user may not make it: grant configure, or start "
            "the service once as a user who may; retrying until then"
        ),
    ),
)
"""Refusals that only a person can end, each with what to do."""

logger = logging.getLogger(__name__)


class Link:
    """Keeps one AMQP connection up, for ever: after each loss it makes a new one.

    `prepare` is called with each new connection; the link is up once `prepare` has returned. `on_change` is called
    after the link went up or down.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        name: str,
        prepare: Callable[[AmqpConnection], Awaitable[None]],
        outage: Outage,
        on_change: Callable[[], None],
    ) -> None:
        self._url = tls.as_aiormq_takes_it(broker_url)
        self._name = name
        self._prepare = prepare
        self._outage = outage
        self._on_change = on_change
        self._connection: AmqpConnection | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        self._loss = ""

    @property
    def up(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        """Begin to connect, in the background. Idempotent."""
        self._closing = False
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up(), name=f"notify-sse {self._name}")

    async def close(self) -> None:
        """Disconnect, and stay so. Never raises."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def connection_now(self) -> AmqpConnection:
        """The connection, when the link is up. Raises `BrokerUnavailable` at once when it is down."""
        if self._connection is None:
            why = f" ({self._loss})" if self._loss else ""
            raise BrokerUnavailable(f"not connected to the broker{why}")
        return self._connection

    async def connection(self, *, timeout_s: float) -> AmqpConnection:
        """The connection; waits at most `timeout_s` for the link to come up, then raises `BrokerUnavailable`."""
        if self._connection is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._up.wait()
        return self.connection_now()

    async def _keep_up(self) -> None:
        tell_nothing_of_this_task()
        while not self._closing:
            cause = await self._connect_once()
            self._report_loss(cause)
            await asyncio.sleep(self._backoff.next_s())

    async def _connect_once(self) -> BaseException | None:
        """One connection, from connect to loss; returns why it ended. Only a cancellation passes."""
        try:
            with translated():
                return await self._connect_until_lost()
        except BrokerUnavailable as exc:
            return exc.__cause__
        except Exception as exc:
            logger.exception("unexpected error on the connection to the broker", extra={"action": "broker_error"})
            return exc

    async def _connect_until_lost(self) -> BaseException | None:
        connection = await AmqpConnection.open(self._url, name=f"notify-sse {self._name}")
        connection.on_lost(lambda: self._set_connection(None))
        try:
            await self._prepare(connection)
            if self._closing:  # aiormq's use of `wait_for` can swallow a cancellation
                return None
            self._set_connection(connection)
            return await connection.wait_lost()
        finally:
            self._set_connection(None)
            await connection.close()

    def _set_connection(self, connection: AmqpConnection | None) -> None:
        if connection is self._connection:
            return
        self._connection = connection
        if connection is None:
            self._up.clear()
        else:
            self._up.set()
            self._backoff.reset()
            self._outage.back(self._name)
        self._on_change()

    def _report_loss(self, cause: BaseException | None) -> None:
        """Log the loss once, however many attempts follow. A refusal that needs a person is logged when it is seen."""
        self._loss = redacted(one_line(cause)) if cause else ""
        advice = advice_on(cause)
        self._outage.lost(self._name, self._loss, advice=advice)


def advice_on(cause: BaseException | None) -> str:
    """What a person has to do about `cause`; "" when it heals by itself."""
    if isinstance(cause, ChannelPreconditionFailed):
        # The same code for a declaration that does not fit, and for a delivery that was kept too long.
        return NOT_ACKED_IN_TIME if TIMED_OUT in str(cause) else DECLARED_OTHERWISE
    if tls.is_not_trusted(cause):
        return tls.NOT_TRUSTED
    return next((advice for kind, advice in ADVICE if isinstance(cause, kind)), "")
