"""`python -m tests.fault.launch POINT NTH serve …`: the real service, which is killed by SIGKILL at its NTH passing of
a named point.

The points are put in here, at run time: the service's own code knows nothing of them.
"""

import asyncio
import functools
import inspect
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Literal

import msgspec

Load = Literal["amqp", "http", "retention", "drain", "replay"]
Moment = Literal["before", "within", "after", "acked too early"]


class Point(msgspec.Struct, frozen=True):
    """Before, within or after a function: `where` is `module:qualified.name`. `load` is what makes it pass there."""

    where: str
    moment: Moment
    load: Load
    upto: int = 4
    """The highest NTH that makes sense."""


STORE, BROKER = "notify_sse.store.postgres.store:PostgresStore", "notify_sse.broker.rabbitmq.broker:RabbitMQBroker"
POINTS: dict[str, Point] = {
    # First, while nothing that retention would forget waits to be acked: see `crash_points.RETENTION_S`.
    "before retention": Point(f"{STORE}.expire", "before", "retention", 3),
    "within retention": Point(f"{STORE}.expire", "within", "retention", 3),
    "after retention": Point(f"{STORE}.expire", "after", "retention", 3),
    "before a message is parsed": Point("notify_sse.log.ingest:Ingest._checked", "before", "amqp", 20),
    "after a message is parsed": Point("notify_sse.log.ingest:Ingest._checked", "after", "amqp", 20),
    "before the append (AMQP)": Point(f"{STORE}.append", "before", "amqp"),
    "within the append (AMQP)": Point(f"{STORE}.append", "within", "amqp"),
    "committed, not announced (AMQP)": Point(f"{STORE}.append", "after", "amqp"),
    "after the own relay has it": Point("notify_sse.gateway.relay:Relay.take", "after", "amqp"),
    "before the announcement": Point(f"{BROKER}.announce", "before", "amqp"),
    "after the announcement": Point(f"{BROKER}.announce", "after", "amqp"),
    "before the ack": Point(f"{BROKER}.ack", "before", "amqp"),
    "after the ack": Point(f"{BROKER}.ack", "after", "amqp"),
    "before a dead letter": Point(f"{BROKER}.dead_letter", "before", "amqp", 3),
    "within a dead letter": Point(f"{BROKER}.dead_letter", "within", "amqp", 3),
    "dead-lettered, not acked": Point(f"{BROKER}.dead_letter", "after", "amqp", 3),
    "after a dead letter's ack": Point("notify_sse.log.ingest:Ingest._dead_letter_and_ack", "after", "amqp", 3),
    "before the append (HTTP)": Point(f"{STORE}.append", "before", "http"),
    "within the append (HTTP)": Point(f"{STORE}.append", "within", "http"),
    "committed, not announced (HTTP)": Point(f"{STORE}.append", "after", "http"),
    "before the answer (HTTP)": Point("notify_sse.web.api.publish:_answer", "before", "http"),
    "when the drain begins": Point("notify_sse.gateway.registry:Registry.drain", "before", "drain", 1),
    "consumer stopped, in the drain": Point(f"{BROKER}.stop_consuming", "after", "drain", 1),
    "all acked, in the drain": Point("notify_sse.log.ingest:Ingest.finish", "after", "drain", 1),
    "after a stream's closing": Point("notify_sse.web.door.transport:DoorTransport.finish", "after", "drain", 2),
    "after a page of a replay": Point(f"{STORE}.after", "after", "replay", 2),
    "after a write to a stream": Point("notify_sse.web.door.transport:DoorTransport.write", "after", "replay", 6),
}
BUG = Point("notify_sse.log.ingest:Ingest._append", "acked too early", "amqp")
SEEDED_BUG = "acked before it is committed"
"""Not a point but a defence taken out (`BUG`): what is lost by it must be found."""


def plant(point: Point, nth: int) -> None:
    """Put it in."""
    module, _, path = point.where.partition(":")
    owner: Any = __import__(module, fromlist=["_"])
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, _dying(getattr(owner, name), point.moment, nth))


def _dying(function: Callable[..., Any], moment: Moment, nth: int) -> Callable[..., Any]:
    """Dies at the `nth` pass, or at the first after it that does not raise."""
    passes = itertools.count(1)

    @functools.wraps(function)
    def synchronous(*args: Any, **kwargs: Any) -> Any:
        last = next(passes) >= nth
        if last and moment == "before":
            _die()
        result = function(*args, **kwargs)
        if last:
            _die()
        return result

    @functools.wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        if next(passes) < nth:
            return await function(*args, **kwargs)
        if moment == "before":
            _die()
        elif moment == "acked too early":
            await _ack_and_die(*args)
        elif moment == "within":
            asyncio.get_running_loop().call_later(0.0005 * (nth % 4), _die)
        result = await function(*args, **kwargs)
        _die()
        return result

    return asynchronous if inspect.iscoroutinefunction(function) else synchronous


async def _ack_and_die(ingest: Any, good: Any) -> None:
    await ingest._broker.ack([delivery for delivery, _ in good])
    await asyncio.sleep(0.2)  # the acks leave
    _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    plant(POINTS.get(sys.argv[1]) or BUG, int(sys.argv[2]))
    del sys.argv[1:3]
    from notify_sse.cli import main

    main()
