"""What RabbitMQ tells `notify-sse doctor`: whether it can be reached, who reads the ingest queue, what was refused.

On a connection of its own, which declares nothing: the topology is the service's to make.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import AMQPError

from notify_sse.broker.rabbitmq import members
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.core.ports import Finding
from notify_sse.telemetry.redaction import redacted_url

TIMEOUT_S: Final = 5.0


async def diagnose(broker_url: str, *, prefix: str, management_url: str | None = None) -> AsyncIterator[Finding]:
    """See `core.ports.Finding`."""
    place = redacted_url(broker_url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await aio_pika.connect(broker_url)
    except (AMQPError, OSError, TimeoutError) as exc:
        reason = redacted_url(str(exc) or type(exc).__name__)
        advice = "check NOTIFY_SSE_BROKER_URL, and that it runs; publishing over HTTP works without it"
        yield Finding("broker", "error", f"cannot be reached ({reason}): {place}", advice)
        return
    async with connection:
        yield Finding("broker", "ok", f"RabbitMQ reached: {place}")
        topology = Topology(prefix=prefix)
        waiting, consumers = await _queue(connection, topology.ingest)
        yield _ingest(topology.ingest, waiting, consumers)
        if waiting is not None:
            yield await members.look(broker_url, prefix=prefix, management_url=management_url)
        dead, _ = await _queue(connection, topology.dead)
        if dead:
            advice = "`notify-sse dlq list` shows them, with reasons"
            yield Finding("refused", "warning", f"{dead} refused messages in {topology.dead}", advice)


def _ingest(name: str, waiting: int | None, consumers: int) -> Finding:
    if waiting is None:
        return Finding("queue", "ok", f"{name} is not there yet", "`notify-sse serve` makes it")
    if consumers == 0:
        advice = "start `notify-sse serve` with the role all or ingest"
        return Finding("queue", "warning", f"nobody reads {name}; {waiting} wait in it", advice)
    return Finding("queue", "ok", f"{name}: {waiting} waiting, {consumers} consumers")


async def _queue(connection: aio_pika.abc.AbstractConnection, name: str) -> tuple[int | None, int]:
    """How many messages and consumers it has; None when it does not exist."""
    channel = await connection.channel()
    try:
        found = (await channel.declare_queue(name, passive=True, timeout=TIMEOUT_S)).declaration_result
    except ChannelNotFoundEntity:
        return None, 0
    await channel.close()
    return found.message_count or 0, found.consumer_count or 0
