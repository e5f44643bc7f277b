"""What RabbitMQ tells `notify-sse doctor`: whether it can be reached, whether the service could do there what it does,
who reads the ingest queue, on how many nodes it is, and what was refused.

On a connection of its own, which makes nothing: the topology is the service's to make.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiormq
from aiormq.abc import AbstractConnection
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity
from yarl import URL

from notify_sse.broker.rabbitmq import looking, members, permissions, tls
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.core.ports import Finding
from notify_sse.telemetry.redaction import redacted_url

TIMEOUT_S: Final = 5.0
MANY_WAIT: Final = 10_000
LOOK_AT: Final = 1000
"""At so many dead letters."""


async def diagnose(broker_url: str, *, prefix: str, management_url: str | None = None) -> AsyncIterator[Finding]:
    """See `core.ports.Finding`."""
    place = redacted_url(broker_url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await aiormq.connect(tls.as_aiormq_takes_it(broker_url))
    except (AMQPError, OSError, TimeoutError) as exc:
        reason = redacted_url(str(exc) or type(exc).__name__)
        advice = "check NOTIFY_SSE_BROKER_URL, and that it runs; publishing over HTTP works without it"
        if tls.is_not_trusted(exc):
            advice = tls.NOT_TRUSTED
        yield Finding("broker", "error", f"cannot be reached ({reason}): {place}", advice)
        return
    try:
        yield Finding("broker", "ok", f"RabbitMQ {connection.server_properties.get('version', '')!s} reached: {place}")
        topology = Topology(prefix=prefix)
        found = await permissions.find(connection, topology)
        for finding in _fitness(found, URL(broker_url), prefix):
            yield finding
        async for finding in _queues(connection, topology):
            yield finding
        if not found.missing:
            yield await members.look(broker_url, prefix=prefix, management_url=management_url)
    except (AMQPError, OSError, TimeoutError) as exc:
        yield Finding("broker", "error", f"was lost meanwhile ({redacted_url(str(exc))})", "run this again")
    finally:
        await connection.close()


def _fitness(found: permissions.Found, url: URL, prefix: str) -> list[Finding]:
    """Whether the service could do here what it does: what its user may, and whose the exchanges and queues are."""
    made = [
        Finding("topology", "error", told, "remove it when it is empty, or give NOTIFY_SSE_AMQP_PREFIX another value")
        for told in found.other
    ]
    pattern = f"'^{prefix.replace('.', chr(92) + '.')}'"
    if found.lacking:
        vhost = url.path[1:] or "/"
        advice = f"rabbitmqctl set_permissions --vhost {vhost} {url.user or 'guest'} {pattern} {pattern} {pattern}"
        made.append(
            Finding("permissions", "error", f"the broker's user may not: {', '.join(found.lacking)}", f"run: {advice}")
        )
    else:
        made.append(Finding("permissions", "ok", "the broker's user may do all that the service does"))
    if found.missing and not found.lacking:
        detail = f"not there yet: {', '.join(found.missing)}"
        made.append(Finding("topology", "ok", detail, "`notify-sse serve` makes it"))
    return made


async def _queues(connection: AbstractConnection, topology: Topology) -> AsyncIterator[Finding]:
    yield _ingest(topology.ingest, *await _queue(connection, topology.ingest))
    dead, _ = await _queue(connection, topology.dead)
    if dead:
        advice = "`notify-sse dlq list` shows them, with reasons"
        since = await _since(connection, topology.dead, dead)
        yield Finding("refused", "warning", f"{dead} refused messages in {topology.dead}{since}", advice)


def _ingest(name: str, waiting: int | None, consumers: int) -> Finding:
    if waiting is None:
        return Finding("queue", "ok", f"{name} is not there yet", "`notify-sse serve` makes it")
    if consumers == 0:
        advice = "start `notify-sse serve` with the role all or ingest"
        return Finding("queue", "warning", f"nobody reads {name}; {waiting} wait in it", advice)
    detail = f"{name}: {waiting} waiting, {consumers} consumers"
    if waiting > MANY_WAIT:
        return Finding("queue", "warning", detail, "is the database away, or slow? the runbook: messages wait")
    return Finding("queue", "ok", detail)


async def _since(connection: AbstractConnection, name: str, count: int) -> str:
    """Since when the oldest of `count` dead letters is there, in words. All are put back, in some order; that queue has
    no limit on how often it gives one out.
    """
    channel = await connection.channel()
    letters = await looking.peek(channel, name, limit=LOOK_AT, timeout_s=TIMEOUT_S)
    await channel.close()
    channel = await connection.channel()
    await looking.wait_until_back(channel, name, count, timeout_s=TIMEOUT_S)
    await channel.close()
    oldest = min((one.died_at for one in letters if one.died_at), default="")
    return f", the oldest since {oldest}" if oldest else ""


async def _queue(connection: AbstractConnection, name: str) -> tuple[int | None, int]:
    """How many messages and consumers it has; None when it does not exist."""
    channel = await connection.channel()
    try:
        found = await channel.queue_declare(name, passive=True, timeout=TIMEOUT_S)
    except ChannelNotFoundEntity:
        return None, 0
    await channel.close()
    return found.message_count or 0, found.consumer_count or 0
