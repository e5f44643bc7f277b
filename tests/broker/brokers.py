"""What the broker tests stand on: processes that hear and speak, on either adapter, and ways to cut them off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from notify_sse.broker.memory import MemoryBroker, MemoryExchange
from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from notify_sse.core.ports import Broker, Delivery, Listener, Message
from tests.support.services import RabbitServer

DEADLINE_S = 100.0
KEY = "recipient.alice.new_message"


def message(text: str | int, *, key: str = KEY) -> Message:
    """A message whose body and message_id are `text`."""
    return Message(body=str(text).encode(), routing_key=key, message_id=str(text))


def texts(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.body.decode() for delivery in deliveries]


class Process:
    """One process on a broker: what it heard, and a way to wait for it."""

    def __init__(self, broker: Broker, *, consumes: bool, listens: bool, acks: bool) -> None:
        self.broker = broker
        self.deliveries: list[Delivery] = []
        self.announcements: list[bytes] = []
        self.connects = 0
        self.oversized: list[int] = []
        self.returned_at: list[int] = []
        """How many deliveries there had been, each time when they went back."""
        self.listener = Listener(
            on_connected=self._connected,
            on_delivery=self._deliver if consumes else None,
            on_returned=self._return if consumes else None,
            on_oversized=self.oversized.append if consumes else None,
            on_announcement=self._hear if listens else None,
            traces=True,
        )
        self._acks = acks
        self._acking: set[asyncio.Task[None]] = set()
        self._heard = asyncio.Event()

    @property
    def heard(self) -> list[str]:
        return texts(self.deliveries)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is looked at after each thing heard."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    async def takes(self, count: int) -> list[Delivery]:
        """The first `count` deliveries, once they are there."""
        await self.until(lambda: len(self.deliveries) >= count)
        return self.deliveries[:count]

    async def settled(self) -> None:
        """Wait for the acks under way."""
        await asyncio.gather(*self._acking)

    def _connected(self) -> None:
        self.connects += 1
        self._heard.set()

    def _deliver(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._heard.set()
        if self._acks:
            task = asyncio.create_task(self.broker.ack([delivery]))
            self._acking.add(task)
            task.add_done_callback(self._acking.discard)

    def _return(self) -> None:
        self.returned_at.append(len(self.deliveries))
        self._heard.set()

    def _hear(self, body: bytes) -> None:
        self.announcements.append(body)
        self._heard.set()


class Brokers(Protocol):
    """An adapter under test: opens processes on one broker, and cuts their connections."""

    def open(self, *, prefix: str = "", **options: Any) -> Broker: ...

    async def cut(self, process: Process) -> None:
        """End the process's connections from outside; it comes back by itself."""


class MemoryBrokers:
    def __init__(self) -> None:
        self._exchanges: dict[str, MemoryExchange] = {}

    def open(self, *, prefix: str = "", prefetch: int = 1000, **options: Any) -> Broker:
        exchange = self._exchanges.setdefault(prefix, MemoryExchange())
        return MemoryBroker(exchange, prefetch=prefetch, **options)

    async def cut(self, process: Process) -> None:
        await process.broker.close()
        await process.broker.start(process.listener)


class RabbitMQBrokers:
    def __init__(self, server: RabbitServer, prefix: str) -> None:
        self._server = server
        self._prefix = prefix

    def open(self, *, prefix: str = "", prefetch: int = 1000, **options: Any) -> Broker:
        return RabbitMQBroker(self._server.url, prefix=self._prefix + prefix, prefetch=prefetch, **options)

    async def cut(self, process: Process) -> None:  # noqa: ARG002  the server closes everyone's
        await asyncio.to_thread(self._server.close_all_connections)


@contextlib.asynccontextmanager
async def running(
    broker: Broker, *, consumes: bool = False, listens: bool = False, acks: bool = False
) -> AsyncIterator[Process]:
    """A process, connected; it consumes the ingest queue (and acks by itself), listens to announcements, or neither."""
    process = Process(broker, consumes=consumes, listens=listens, acks=acks)
    await broker.start(process.listener)
    try:
        await process.until(lambda: process.connects > 0)
        yield process
        await process.settled()
    finally:
        await broker.close()


@contextlib.asynccontextmanager
async def publishing(broker: Broker, *messages: Message) -> AsyncIterator[None]:
    """Publish in order, side by side with what the block does; every publish is confirmed when it ends."""
    async with asyncio.TaskGroup() as group:
        for each in messages:
            group.create_task(broker.publish(each))
        yield
