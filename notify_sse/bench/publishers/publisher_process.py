"""The publisher process: publishes at a steady pace, and stamps each notification with the time when it was due.

A notification that could not be sent when it was due keeps its due time. So a server that makes the publisher wait does
not look fast (no coordinated omission).
"""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from notify_sse.bench.publishers.aio_pika import AioPikaSender
from notify_sse.bench.publishers.amqp import AmqpSender
from notify_sse.bench.publishers.http import HttpSender
from notify_sse.bench.publishers.sender import Outbound, Sender
from notify_sse.bench.stamp import Bodies, notification_type, recipient_name
from notify_sse.core.channels import recipient_channel, routing_key, topic_channel

TICK_NS: Final = 2_000_000
TIMER_NS: Final = 1_500_000
"""How late the event loop's timer may be. A tick within it counts as on time, and is stamped with the present time."""
SLICE: Final = 500
TOPIC_INDEX: Final = -1


class PublishAddress(msgspec.Struct, frozen=True):
    """Where to publish: `amqp` or `aio-pika` (url, exchange), or `http` (host, port, path, token, batch)."""

    kind: str
    url: str = ""
    exchange: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    token: str = ""
    batch: int = 1


class PacedPublisher:
    """Publishes to `streams` recipients one after another, or to a topic."""

    def __init__(self, sender: Sender, run: str, *, streams: int, filler: int) -> None:
        self.sender = sender
        self.numbers = array("I", bytes(4 * streams))
        self.topic_number = 0
        self.last_due_ns = 0
        self.late_ns = array("q")
        self._bodies = Bodies(run, filler=filler)
        self._names = [recipient_name(run, index) for index in range(streams)]
        self._keys = [routing_key(recipient_channel(name), notification_type()) for name in self._names]
        self._next_index = 0

    async def pace(self, *, rate: float, seconds: float, streams: int, topic: str | None) -> None:
        """Publish `rate` a second, for `seconds`."""
        total = round(rate * seconds)
        start, tick, done = time.monotonic_ns() + TICK_NS, 0, 0
        while done < total:
            tick += 1
            due = start + tick * TICK_NS
            now = time.monotonic_ns()
            await asyncio.sleep(max(0, due - now) / 1e9)
            now = time.monotonic_ns()
            self.late_ns.append(now - due)
            upto = min(total, int(rate * tick * TICK_NS / 1e9))
            if upto > done:
                self._send(upto - done, due_ns=now if now - due < TIMER_NS else due, streams=streams, topic=topic)
                done = upto
                await self.sender.room()

    async def burst(self, count: int, *, streams: int, topic: str | None) -> None:
        """Publish `count` that are all due now, as fast as the server takes them."""
        due = time.monotonic_ns()
        for done in range(0, count, SLICE):
            self._send(min(SLICE, count - done), due_ns=due, streams=streams, topic=topic)
            await self.sender.room()
            await asyncio.sleep(0)

    def _send(self, count: int, *, due_ns: int, streams: int, topic: str | None) -> None:
        self.last_due_ns = due_ns
        if topic is None:
            self.sender.send([self._to_next(streams, due_ns) for _ in range(count)])
        else:
            self.sender.send([self._to_topic(topic, due_ns) for _ in range(count)])

    def _to_next(self, streams: int, due_ns: int) -> Outbound:
        index = self._next_index = (self._next_index + 1) % streams
        number = self.numbers[index]
        self.numbers[index] = number + 1
        name = self._names[index]
        return Outbound(index, name, self._keys[index], self._bodies.recipient(name, number, due_ns))

    def _to_topic(self, topic: str, due_ns: int) -> Outbound:
        body = self._bodies.topic(topic, self.topic_number, due_ns)
        self.topic_number += 1
        return Outbound(TOPIC_INDEX, topic, routing_key(topic_channel(topic), notification_type()), body)


class PublisherCalls:
    """The calls that the controller makes."""

    async def connect(self, *, publish_to: dict[str, Any], run: str, streams: int, filler: int) -> None:
        """Connect and get ready."""
        sender = await _open_sender(msgspec.convert(publish_to, PublishAddress))
        self._publisher = PacedPublisher(sender, run, streams=streams, filler=filler)

    async def pace(self, *, rate: float, seconds: float, streams: int, topic: str | None) -> None:
        """See `PacedPublisher.pace`."""
        await self._publisher.pace(rate=rate, seconds=seconds, streams=streams, topic=topic)

    async def burst(self, *, count: int, streams: int, topic: str | None) -> None:
        """See `PacedPublisher.burst`."""
        await self._publisher.burst(count, streams=streams, topic=topic)

    async def status(self) -> dict[str, int]:
        """How much was sent and confirmed so far."""
        sender = self._publisher.sender
        return {
            "sent": sender.sent,
            "confirmed": sender.confirmed,
            "failed": sender.failed,
            "topic": self._publisher.topic_number,
            "last_due_ns": self._publisher.last_due_ns,
        }

    async def samples(self) -> dict[str, bytes]:
        """Delays of the confirms and lateness of the ticks since the last call."""
        publisher = self._publisher
        confirm, late = publisher.sender.confirm_ns.tobytes(), publisher.late_ns.tobytes()
        del publisher.sender.confirm_ns[:], publisher.late_ns[:]
        return {"confirm_ns": confirm, "late_ns": late}

    async def numbers(self) -> bytes:
        """How many were published to each recipient."""
        return self._publisher.numbers.tobytes()

    async def close(self) -> None:
        """Drop the connection."""
        await self._publisher.sender.close()


async def _open_sender(publish_to: PublishAddress) -> Sender:
    if publish_to.kind == "amqp":
        return await AmqpSender.connect(publish_to.url, exchange=publish_to.exchange)
    if publish_to.kind == "aio-pika":
        return await AioPikaSender.connect(publish_to.url, exchange=publish_to.exchange)
    return await HttpSender.connect(
        publish_to.host, publish_to.port, path=publish_to.path, token=publish_to.token, batch=publish_to.batch
    )


def handlers() -> dict[str, Callable[..., Awaitable[Any]]]:
    """The calls by name, for `worker`."""
    calls = PublisherCalls()
    names = ("connect", "pace", "burst", "status", "samples", "numbers", "close")
    return {name: getattr(calls, name) for name in names}
