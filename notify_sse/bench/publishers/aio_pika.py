"""Publishing through aio-pika as its documentation shows it: a call for each notification, which waits for its confirm.

As an ordinary backend does. It costs far more than frames packed by hand, and that is a part of what is measured then.
"""

import asyncio
import time
from array import array
from collections.abc import Sequence
from typing import Final, Self

from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError

from notify_sse.bench.publishers.sender import Outbound
from notify_sse.errors import SendFailed

MAX_CALLS: Final = 500
"""With so many calls under way the publisher waits."""


class AioPikaSender:
    """Publishes to `exchange`, each notification in a task of its own, begun in their order."""

    def __init__(self, connection: AbstractConnection, exchange: AbstractExchange) -> None:
        self.sent = self.confirmed = self.failed = 0
        self.confirm_ns = array("q")
        self._connection = connection
        self._exchange = exchange
        self._calls: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._lost: Exception | None = None

    @classmethod
    async def connect(cls, url: str, *, exchange: str) -> Self:
        """Connect to `url` and open a channel with confirms."""
        connection = await connect(url)
        return cls(connection, await (await connection.channel(on_return_raises=True)).get_exchange(exchange))

    def send(self, messages: Sequence[Outbound]) -> None:
        """Begin a call for each."""
        self.sent += len(messages)
        for message in messages:
            call = asyncio.get_running_loop().create_task(self._publish(message))
            self._calls.add(call)
            call.add_done_callback(self._done)

    async def _publish(self, message: Outbound) -> None:
        began = time.monotonic_ns()
        try:
            await self._exchange.publish(
                Message(message.body, content_type="application/json", delivery_mode=DeliveryMode.PERSISTENT),
                message.routing_key,
            )
        except AMQPError as exc:  # not routed, refused, or the connection is lost
            self.failed += 1
            if self._connection.is_closed:
                self._lost = SendFailed(f"aio-pika: {type(exc).__name__}")
        self.confirmed += 1
        self.confirm_ns.append(time.monotonic_ns() - began)

    def _done(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (exc := call.exception()):
            self._lost = SendFailed(f"aio-pika: {type(exc).__name__}")
        self._room.set()

    async def room(self) -> None:
        """Wait until not too many await their confirm."""
        while not self._lost and len(self._calls) >= MAX_CALLS:
            self._room.clear()
            await self._room.wait()
        if self._lost:
            raise self._lost

    async def close(self) -> None:
        """Drop the connection."""
        for call in self._calls:
            call.cancel()
        await self._connection.close()
