"""A connection to RabbitMQ that is kept up: connect, prepare, wait for the loss, back off, again.

Our own, and not aio-pika's `connect_robust`, which restores one thing at a time, keeps the name of a queue that the
broker may still hold for the dead connection, and is slow to notice a loss (docs/adr/0005-broker.md). What is
prepared on each new connection is its owner's affair.
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
from yarl import URL

from notify_sse.broker.rabbitmq.session import Session, described, translated
from notify_sse.core.backoff import Backoff
from notify_sse.errors import BrokerUnavailable
from notify_sse.telemetry.outage import Outage
from notify_sse.telemetry.redaction import redacted

FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 2.0
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


logger = logging.getLogger(__name__)


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
        outage: Outage,
        on_change: Callable[[], None],
    ) -> None:
        self._url = URL(broker_url)
        self._name = name
        self._prepare = prepare
        self._outage = outage
        self._on_change = on_change
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        self._lost_by = ""

    @property
    def up(self) -> bool:
        return self._session is not None

    def start(self) -> None:
        """Begin to connect, in the background. Idempotent."""
        self._closing = False
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"notify-sse {self._name}")

    async def close(self) -> None:
        """Disconnect, and stay so. Never raises."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def now(self) -> Session:
        """The session, if the link is up; else `BrokerUnavailable` at once."""
        if self._session is None:
            why = f" ({self._lost_by})" if self._lost_by else ""
            raise BrokerUnavailable(f"not connected to the broker{why}")
        return self._session

    async def session(self, *, timeout_s: float) -> Session:
        """The session, waiting at most `timeout_s` for the link to come up."""
        if self._session is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._up.wait()
        return self.now()

    async def _keep(self) -> None:
        while not self._closing:
            cause = await self._live_once()
            self._tell_loss(cause)
            await asyncio.sleep(self._backoff.next_s())

    async def _live_once(self) -> BaseException | None:
        """One session from connect to loss; returns why it ended. Nothing but cancellation ends the task."""
        try:
            with translated():
                return await self._live()
        except BrokerUnavailable as exc:
            return exc.__cause__
        except Exception as exc:
            logger.exception("unexpected error on the connection to the broker", extra={"action": "broker_error"})
            return exc

    async def _live(self) -> BaseException | None:
        session = await Session.open(self._url, name=f"notify-sse {self._name}")
        try:
            await self._prepare(session)
            if self._closing:  # aiormq's use of `wait_for` can swallow a cancellation
                return None
            self._change(session)
            return await session.lost()
        finally:
            self._change(None)
            await session.close()

    def _change(self, session: Session | None) -> None:
        if session is self._session:
            return
        self._session = session
        if session is None:
            self._up.clear()
        else:
            self._up.set()
            self._backoff.reset()
            self._outage.back(self._name)
        self._on_change()

    def _tell_loss(self, cause: BaseException | None) -> None:
        """However many attempts it takes; what needs a person is told as soon as it is seen."""
        self._lost_by = redacted(described(cause)) if cause else ""
        advice = next((advice for kind, advice in ADVICE if isinstance(cause, kind)), "")
        self._outage.lost(self._name, self._lost_by, advice=advice)
