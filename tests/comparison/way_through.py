"""The way of a notification through one process: frames of AMQP in, writes to transports out; nothing else.

`tests/comparison/tracing.py` runs it as a program, with the code of this revision or of one before: so it asks for
spans only when the OTEL_ variables do, and for nothing that an earlier revision lacks. It prints CPU seconds.
"""

import asyncio
import gc
import itertools
import os
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec
import uvloop
from pamqp import encode

from notify_sse.broker.rabbitmq.wire import BODY, HEADER, METHOD, DeliveryTap, Received
from notify_sse.core.channels import routing_key
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Notification
from notify_sse.core.ports import Appended, Broker, Delivery, Store, Stored
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Tail
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.log.announce import Announcer
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage

BATCH: Final = 50
RECIPIENTS: Final = 1000
CONTENT_TYPE, HEADERS, MESSAGE_ID = 1 << 15, 1 << 13, 1 << 7


class _Swallows:
    """A transport whose client takes everything at once."""

    name = "sse"
    buffered_bytes = 0
    greets = takes_all = True

    def write(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            len(frame.block)

    def write_control(self, event: object) -> None:
        del event


class _Ends:
    """A store that only counts, and a broker that only hears acks."""

    def __init__(self) -> None:
        self.position = 0
        self.acked = asyncio.Semaphore(0)

    async def append(self, batch: Sequence[Notification]) -> Appended:
        await asyncio.sleep(0)
        first, self.position = self.position + 1, self.position + len(batch)
        return Appended("e", tuple(Stored("new", place) for place in range(first, self.position + 1)))

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for _ in deliveries:
            self.acked.release()


class WayThrough:
    """With `streams` on `topic:all`, or with one for each of `RECIPIENTS`. Of the messages `share` are sampled."""

    def __init__(self, *, streams: int, share: float) -> None:
        self._streams = streams
        self._every = round(1 / share)
        self._numbers = itertools.count(1)
        self._ends = ends = _Ends()
        metrics, outage = Metrics(), Outage("the store")
        self._tracing = tracing = _tracing()
        self._tail = tail = Tail(max_events=10_000, max_bytes=2**26)
        tail.restart("e", start=0)
        hub: Hub[Connection] = Hub()
        spans: Any = tracing.delivering(lambda: tail.position) if tracing else None
        self._pump = _pump(cast("Store", ends), tail, metrics, spans)
        relay = Relay(
            cast("Store", ends), tail, hub, metrics, outage=outage, drive=self._pump.drive, **_with(spans=spans)
        )
        relay._filled.set()
        announcer = Announcer(take_here=relay.take, tell_others=_nobody)
        self._appender = Appender(
            cast("Store", ends),
            metrics,
            outage=outage,
            on_committed=announcer.announce,
            **_with(spans=tracing and tracing.appending),
        )
        self._ingest = Ingest(
            cast("Broker", ends),
            self._appender,
            cast("Recalls", None),
            metrics,
            batch=BATCH,
            max_bytes=16_384,
            **_with(spans=tracing and tracing.ingesting),
        )
        self._tap = DeliveryTap(self._deliver, has_room=lambda _: True, **_with(traces=True if tracing else None))
        registry = Registry(self._pump, hub, metrics)
        for number in range(streams or RECIPIENTS):
            recipient = f"r{number}"
            stream = Stream((f"recipient:{recipient}", "topic:all"), Cursor("e", 0), generation=tail.generation)
            registry.open(Connection(stream, cast("Any", _Swallows()), connection_id=recipient, recipient_id=recipient))

    async def run(self, count: int) -> float:
        """Carry `count` messages through; returns the CPU seconds of this process, with all its threads."""
        work = [asyncio.ensure_future(one) for one in (self._appender.run(), self._ingest.run())]
        size = 1 if self._streams else BATCH
        await self._carry(size)
        if self._tracing:  # the first export loads much that is not loaded again
            with self._tracing._provider.get_tracer("first").start_as_current_span("first"):
                pass
            self._tracing._provider.force_flush()
        # As `server/garbage.py` has it: what OpenTelemetry's modules hold is not looked through again and again.
        gc.set_threshold(10_000, 20, 1_000_000)
        gc.collect()
        gc.freeze()
        began = time.process_time()
        for _ in range(count // size):
            await self._carry(size)
        if self._tracing:
            await self._tracing.close()
        took_s = time.process_time() - began
        for one in work:
            one.cancel()
        return took_s

    async def _carry(self, size: int) -> None:
        for _ in range(size):
            for kind, payload in self._frames(next(self._numbers)):
                assert self._tap.take(kind, payload)
        for _ in range(size):
            await self._ends.acked.acquire()
        while self._pump._ready:  # noqa: ASYNC110 - whoever was woken, and had no turn yet
            await asyncio.sleep(0)

    def _frames(self, number: int) -> list[tuple[int, bytes]]:
        """A message as RabbitMQ sends it, with the trace of its publisher."""
        address = {"topic": "all"} if self._streams else {"recipient_id": f"r{number % RECIPIENTS}"}
        content = {"notification_id": f"n{number}", "notification_type": "note", **address, "payload": {"n": number}}
        body = msgspec.json.encode(content)
        key = routing_key("topic:all" if self._streams else f"recipient:r{number % RECIPIENTS}", "note").encode()
        method = b"\x00\x3c\x00\x3c\x01c" + struct.pack(">QB", number, 0) + b"\x01x" + bytes((len(key),)) + key
        sampled = number % self._every == 0
        headers = encode.field_table({"traceparent": f"00-{number:032x}-00f067aa0ba902b7-0{int(sampled)}", "app": "x"})
        properties = b"\x10application/json" + headers + b"\x01m"
        header = struct.pack(">HHQH", 60, 0, len(body), CONTENT_TYPE | HEADERS | MESSAGE_ID) + properties
        return [(METHOD, method), (HEADER, header), (BODY, body)]

    def _deliver(self, message: Received) -> None:
        self._ingest.deliver(
            Delivery(
                body=message.body,
                routing_key=message.routing_key,
                content_type=message.content_type,
                message_id=message.message_id,
                redelivered=message.redelivered,
                tag=message.tag,
                **_with(trace=getattr(message, "trace", None)),
            )
        )


def _nobody(body: bytes) -> None:
    """The other processes, of which there are none."""


def _tracing() -> Any:
    """The spans of this process, where they are asked for."""
    if "OTEL_EXPORTER_OTLP_ENDPOINT" not in os.environ:
        return None
    from notify_sse.telemetry.tracing import open_tracing

    return open_tracing(os.environ, role="all", system="rabbitmq", queue="notifications.ingest")


def _pump(store: Store, tail: Tail, metrics: Metrics, spans: Any) -> Pump:
    times: Any = None
    if spans:
        from notify_sse.gateway.delivery_times import DeliveryTimes

        times = DeliveryTimes(metrics, spans)
    return Pump(
        store,
        tail,
        metrics,
        heartbeat_s=15,
        stall_s=60,
        max_replays=1,
        retry_ms=1000,
        **_with(delivery_times=times),
    )


def _with(**given: Any) -> dict[str, Any]:
    """Only what there is: the code before knows nothing of the rest."""
    return {name: value for name, value in given.items() if value is not None}


async def _measure(count: int, streams: int, share: float) -> float:
    return await WayThrough(streams=streams, share=share).run(count)


if __name__ == "__main__":
    given_count, given_streams, given_share = sys.argv[1:]
    print(uvloop.run(_measure(int(given_count), int(given_streams), float(given_share))))
