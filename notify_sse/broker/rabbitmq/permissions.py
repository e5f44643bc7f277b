"""What the broker's user may do of all that the service does there, found out without doing it.

RabbitMQ looks at the permission before it looks at the rest of a request. So each step is asked for in a form that
cannot succeed (an argument of a wrong type, a queue that is not there, an expiration that is no number): refused for
the permission, or for the other reason. Nothing is declared, bound, consumed or published.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec
from aiormq import spec
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from notify_sse.broker.rabbitmq.topology import LIVE_KEY, Topology

TIMEOUT_S: Final = 5.0
WRONG_TYPE: Final = "of a wrong type"
IMPOSSIBLE: Final[dict[str, Any]] = {"x-expires": WRONG_TYPE}
Arguments = dict[str, Any] | None
Step = Callable[[AbstractChannel], Awaitable[object]]


class Found(msgspec.Struct, frozen=True):
    """`missing`: exchanges and queues that are not there. `other`: those with other properties than ours, as the broker
    says it. `lacking`: what the user may not do of what the service needs.
    """

    missing: tuple[str, ...]
    other: tuple[str, ...]
    lacking: tuple[str, ...]


async def find(connection: AbstractConnection, topology: Topology) -> Found:
    """Look at all of it. Raises what aiormq raises when the connection is lost."""
    missing, other, lacking = [], [], []
    for name, passive, active, impossible in _parts(topology):
        if isinstance(await _tried(connection, passive), ChannelNotFoundEntity):
            missing.append(name)
            if await _refused(connection, impossible):
                lacking.append(f"configure {name}")
        elif isinstance(exc := await _tried(connection, active), ChannelPreconditionFailed):
            other.append(str(exc))
    lacking += [what for what, step in _needs(topology) if await _refused(connection, step)]
    return Found(tuple(missing), tuple(other), tuple(lacking))


def _parts(topology: Topology) -> list[tuple[str, Step, Step, Step]]:
    """Of each exchange and queue: its name, a look at it, its declaration, and one that cannot succeed."""
    made: list[tuple[str, Step, Step, Step]] = []
    for name, kind in topology.exchanges():
        declare = partial(_declare_exchange, name=name, kind=kind)
        impossible = partial(declare, arguments={"alternate-exchange": 1})
        made.append((name, partial(declare, passive=True), declare, impossible))
    for name, arguments in topology.queues():
        declare = partial(_declare_queue, name=name)
        impossible = partial(declare, arguments=IMPOSSIBLE)
        made.append((name, partial(declare, passive=True), partial(declare, arguments=arguments), impossible))
    return made


def _needs(topology: Topology) -> list[tuple[str, Step]]:
    """What the service does with them, each in a form that cannot succeed."""
    live, own = topology.live, f"{topology.live}.{uuid.uuid4().hex}"  # of a name as each process makes one for itself
    return [
        (f"read {topology.ingest}", partial(_consume_wrongly, queue=topology.ingest)),
        (f"configure {live}.*", partial(_declare_queue, name=own, arguments=IMPOSSIBLE)),
        (f"read {live}.*", partial(_consume_wrongly, queue=own)),
        (f"write {live}.* or read {live}", partial(_bind_nothing, queue=own, exchange=live)),
        *((f"write {name}", partial(_publish_nothing, exchange=name)) for name, _ in topology.exchanges()),
    ]


async def _declare_exchange(
    channel: AbstractChannel, *, name: str, kind: str, passive: bool = False, arguments: Arguments = None
) -> None:
    await channel.exchange_declare(
        name, exchange_type=kind, passive=passive, durable=True, arguments=arguments, timeout=TIMEOUT_S
    )


async def _declare_queue(
    channel: AbstractChannel, *, name: str, passive: bool = False, arguments: Arguments = None
) -> None:
    await channel.queue_declare(name, passive=passive, durable=True, arguments=arguments, timeout=TIMEOUT_S)


async def _consume_wrongly(channel: AbstractChannel, *, queue: str) -> None:
    await channel.basic_consume(queue, _never, arguments={"x-priority": WRONG_TYPE}, timeout=TIMEOUT_S)


async def _bind_nothing(channel: AbstractChannel, *, queue: str, exchange: str) -> None:
    await channel.queue_bind(queue, exchange, LIVE_KEY, timeout=TIMEOUT_S)


async def _publish_nothing(channel: AbstractChannel, *, exchange: str) -> None:
    """A publish has no answer, so the broker's refusal is waited for, and nothing is asked meanwhile: aiormq could send
    that right behind its answer to the refusal, where the channel is no more, and the broker would end the connection.
    In a transaction that nobody commits, so that a broker that takes it publishes nothing either.
    """
    await channel.tx_select(timeout=TIMEOUT_S)
    impossible = spec.Basic.Properties(expiration=WRONG_TYPE)
    await channel.basic_publish(b"", exchange=exchange, routing_key="", properties=impossible)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(channel.closing, TIMEOUT_S)


async def _never(_: object) -> None:
    """Consumes nothing: the consumer cannot begin."""


async def _refused(connection: AbstractConnection, step: Step) -> bool:
    return isinstance(await _tried(connection, step), ChannelAccessRefused)


async def _tried(connection: AbstractConnection, step: Step) -> ChannelClosed | None:
    """With what the broker closed the channel, if it did."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        await step(channel)
    except ChannelClosed as exc:
        return exc
    await channel.close()
    return None
