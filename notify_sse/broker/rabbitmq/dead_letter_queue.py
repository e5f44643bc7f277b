"""The dead-letter queue, at which one looks at a time.

Who looks holds the messages meanwhile: they are delivered, and not acked. A second look would miss what the first one
holds, and say that it is not there; a purge would leave it. So each waits for the one before, here and in other
processes.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiormq import ChannelAccessRefused, ChannelLockedResource

from notify_sse.broker.rabbitmq.amqp_connection import FOREIGN_ERRORS, AmqpConnection, translated
from notify_sse.broker.rabbitmq.looking import look, ready, take, wait_until_back
from notify_sse.core.ports import Chosen, DeadLetter, Visit

WAIT_S: Final = 10.0
"""For a look of another process. After that both look: one that hangs keeps nobody from the dead letters."""
POLL_S: Final = 0.02
CUT_SHORT_S: Final = 0.5
"""So long who cuts a look short waits for what was looked at to be back. If it takes longer, nobody looks before."""


class DeadLetterQueue:
    """`name` is the queue's. Each method raises `BrokerUnavailable` when the connection is lost."""

    def __init__(self, name: str, *, timeout_s: float) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._looking = asyncio.Lock()
        self._looks: set[asyncio.Task[None]] = set()
        self._giving_back: set[asyncio.Task[None]] = set()
        """The looks that have shown what they will show. Whoever cancels one of these only stops waiting for it."""

    async def look(self, connection: AmqpConnection, visit: Visit, *, limit: int | None = None) -> None:
        """Show all, at most `limit`, to `visit`: see `looking.look`. They are back when this returns, or raises; who
        looks next waits for those that are not yet back after a cancellation.
        """
        look = asyncio.create_task(self._look(connection, visit, limit))
        self._looks.add(look)
        look.add_done_callback(self._ended)
        try:
            await asyncio.wait([look])
        except asyncio.CancelledError:
            if look not in self._giving_back:
                look.cancel()
            await asyncio.wait([look], timeout=CUT_SHORT_S)
            raise
        await look

    def _ended(self, look: "asyncio.Task[None]") -> None:
        self._looks.discard(look)
        self._giving_back.discard(look)
        if not look.cancelled():
            look.exception()  # it is seen, also when nobody waits for it any more

    async def _look(self, connection: AmqpConnection, visit: Visit, limit: int | None) -> None:
        async with self._alone(connection):
            there, task = 0, asyncio.current_task()
            assert task is not None
            try:
                async with connection.temporary_channel() as channel:
                    there = await ready(channel, self._name, self._timeout_s)
                    count = there if limit is None else min(limit, there)
                    _raise_if_cancelled(task)
                    await look(channel, self._name, visit, count=count, timeout_s=self._timeout_s)
            except BaseException:  # cancelled too: who looks next would count too few
                self._giving_back.add(task)
                with suppress(*FOREIGN_ERRORS):
                    await self._back(connection, there)
                raise
            self._giving_back.add(task)
            await self._back(connection, there)

    async def take(
        self,
        connection: AmqpConnection,
        publish: Callable[[DeadLetter], Awaitable[None]] | None,
        *,
        limit: int | None,
        chosen: Chosen | None,
    ) -> int:
        """See `looking.take`. Returns how many were taken."""
        async with self._alone(connection):
            async with connection.temporary_channel() as channel:
                taken, left = await take(
                    channel, self._name, publish, limit=limit, chosen=chosen, timeout_s=self._timeout_s
                )
            await self._back(connection, left)
        return taken

    async def purge(self, connection: AmqpConnection) -> int:
        """Remove all. Returns how many."""
        async with self._alone(connection), connection.temporary_channel() as channel:
            purged = await channel.queue_purge(self._name, timeout=self._timeout_s)
        return purged.message_count or 0

    async def _back(self, connection: AmqpConnection, count: int) -> None:
        async with connection.temporary_channel() as channel:
            await wait_until_back(channel, self._name, count, timeout_s=self._timeout_s)

    @asynccontextmanager
    async def _alone(self, connection: AmqpConnection) -> AsyncIterator[None]:
        async with self._looking:
            with translated():
                try:
                    await self._hold(connection)
                    yield
                finally:
                    await self._let_go(connection)

    async def _hold(self, connection: AmqpConnection) -> None:
        """Make a queue that is ours alone: no other connection can, while we have it. It goes with the connection.

        A user who may not make queues looks all the same.
        """
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                async with connection.temporary_channel() as channel:
                    # The type is named: the virtual host's default may be another, and a quorum queue is no one's own.
                    await channel.queue_declare(
                        self._lock, exclusive=True, arguments={"x-queue-type": "classic"}, timeout=self._timeout_s
                    )
            except ChannelLockedResource:
                await asyncio.sleep(POLL_S)
            except ChannelAccessRefused:
                return
            else:
                return

    async def _let_go(self, connection: AmqpConnection) -> None:
        """Also one that was being made when we were told to stop. One of another process is refused to us."""
        with suppress(*FOREIGN_ERRORS):
            async with connection.temporary_channel() as channel:
                await channel.queue_delete(self._lock, timeout=self._timeout_s)

    @property
    def _lock(self) -> str:
        return f"{self._name}.look"


def _raise_if_cancelled(task: "asyncio.Task[None]") -> None:
    """Aiormq waits with wait_for, which on Python 3.11 forgets a cancellation that comes with an answer."""
    if task.cancelling():
        raise asyncio.CancelledError
