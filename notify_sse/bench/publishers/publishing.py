"""The publisher's process: notifications at a steady pace, each stamped with the time at which it was due.

A notification that could not be sent when it was due keeps its due time, so that a server which makes the publisher
wait does not look fast for it (no coordinated omission).
"""

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from notify_sse.bench.publishers.amqp import AmqpOutlet
from notify_sse.bench.publishers.http import HttpOutlet
from notify_sse.bench.publishers.outlet import Outbound, Outlet
from notify_sse.bench.stamp import Bodies, notification_type, recipient_name
from notify_sse.core.channels import recipient_channel, routing_key, topic_channel

TICK_NS: Final = 2_000_000
TIMER_NS: Final = 1_500_000
"""What the loop's timer may be late by; a tick within it counts as on time, and is stamped with the time it is."""
SLICE: Final = 500
TOPIC_INDEX: Final = -1


class Way(msgspec.Struct, frozen=True):
    """How to publish: `amqp` (url, exchange) or `http` (host, port, path, token, batch)."""

    kind: str
    url: str = ""
    exchange: str = ""
    host: str = ""
    port: int = 0
    path: str = ""
    token: str = ""
    batch: int = 1


class Publisher:
    """Publishes to `streams` recipients in turn, or to a topic."""

    def __init__(self, outlet: Outlet, run: str, *, streams: int, filler: int) -> None:
        self.outlet = outlet
        self.numbers = array("I", bytes(4 * streams))
        self.topic_number = 0
        self.last_due_ns = 0
        self.late_ns = array("q")
        self._bodies = Bodies(run, filler=filler)
        self._names = [recipient_name(run, index) for index in range(streams)]
        self._keys = [routing_key(recipient_channel(name), notification_type()) for name in self._names]
        self._turn = 0

    async def pace(self, *, rate: float, seconds: float, streams: int, topic: str | None) -> None:
        """`rate` a second for so long."""
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
                await self.outlet.room()

    async def burst(self, count: int, *, streams: int, topic: str | None) -> None:
        """All at once: due at one moment, sent as fast as they are taken."""
        due = time.monotonic_ns()
        for done in range(0, count, SLICE):
            self._send(min(SLICE, count - done), due_ns=due, streams=streams, topic=topic)
            await self.outlet.room()
            await asyncio.sleep(0)

    def _send(self, count: int, *, due_ns: int, streams: int, topic: str | None) -> None:
        self.last_due_ns = due_ns
        if topic is None:
            self.outlet.send([self._to_next(streams, due_ns) for _ in range(count)])
        else:
            self.outlet.send([self._to_topic(topic, due_ns) for _ in range(count)])

    def _to_next(self, streams: int, due_ns: int) -> Outbound:
        index = self._turn = (self._turn + 1) % streams
        number = self.numbers[index]
        self.numbers[index] = number + 1
        name = self._names[index]
        return Outbound(index, name, self._keys[index], self._bodies.recipient(name, number, due_ns))

    def _to_topic(self, topic: str, due_ns: int) -> Outbound:
        body = self._bodies.topic(topic, self.topic_number, due_ns)
        self.topic_number += 1
        return Outbound(TOPIC_INDEX, topic, routing_key(topic_channel(topic), notification_type()), body)


class Calls:
    """What the controller can call."""

    async def connect(self, *, way: dict[str, Any], run: str, streams: int, filler: int) -> None:
        """Connect and get ready."""
        outlet = await _connected(msgspec.convert(way, Way))
        self._publisher = Publisher(outlet, run, streams=streams, filler=filler)

    async def pace(self, *, rate: float, seconds: float, streams: int, topic: str | None) -> None:
        """See `Publisher.pace`."""
        await self._publisher.pace(rate=rate, seconds=seconds, streams=streams, topic=topic)

    async def burst(self, *, count: int, streams: int, topic: str | None) -> None:
        """See `Publisher.burst`."""
        await self._publisher.burst(count, streams=streams, topic=topic)

    async def status(self) -> dict[str, int]:
        """How far it is."""
        outlet = self._publisher.outlet
        return {
            "sent": outlet.sent,
            "confirmed": outlet.confirmed,
            "failed": outlet.failed,
            "topic": self._publisher.topic_number,
            "last_due_ns": self._publisher.last_due_ns,
        }

    async def samples(self) -> dict[str, bytes]:
        """Delays of the confirms and lateness of the ticks since the last call."""
        publisher = self._publisher
        confirm, late = publisher.outlet.confirm_ns.tobytes(), publisher.late_ns.tobytes()
        del publisher.outlet.confirm_ns[:], publisher.late_ns[:]
        return {"confirm_ns": confirm, "late_ns": late}

    async def numbers(self) -> bytes:
        """How many were published to each recipient."""
        return self._publisher.numbers.tobytes()

    async def close(self) -> None:
        """Drop the connection."""
        await self._publisher.outlet.close()


async def _connected(way: Way) -> Outlet:
    if way.kind == "amqp":
        return await AmqpOutlet.connect(way.url, exchange=way.exchange)
    return await HttpOutlet.connect(way.host, way.port, path=way.path, token=way.token, batch=way.batch)


def handlers() -> dict[str, Callable[..., Awaitable[Any]]]:
    """For `worker`."""
    calls = Calls()
    names = ("connect", "pace", "burst", "status", "samples", "numbers", "close")
    return {name: getattr(calls, name) for name in names}
