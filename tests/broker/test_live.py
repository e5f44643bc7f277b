"""Telling the other processes never waits, and never fails whoever has something to tell."""

import asyncio
from collections import Counter
from typing import cast

from notify_sse.broker.live import LiveExchange
from notify_sse.core.ports import Broker
from notify_sse.errors import BrokerUnavailable
from tests.support.doubles import metrics


class Announcing:
    """A broker that takes announcements, or does not."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.announced: list[bytes] = []

    async def announce(self, body: bytes) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.announced.append(body)


async def test_what_is_told_leaves_in_order() -> None:
    """After the caller went on."""
    broker, tasks = Announcing(), []
    live = LiveExchange(cast("Broker", broker), metrics(), spawn=lambda work: tasks.append(asyncio.ensure_future(work)))
    for body in (b"1", b"2", b"3"):
        live.tell(body)
    assert broker.announced == []
    await asyncio.gather(*tasks)
    assert broker.announced == [b"1", b"2", b"3"]


async def test_what_the_broker_does_not_take_is_counted_and_forgotten() -> None:
    """The log repairs it; tried again it would come late and out of order."""
    tally: Counter[str] = Counter()
    broker, tasks = Announcing(away=True), []
    live = LiveExchange(
        cast("Broker", broker), metrics(tally), spawn=lambda work: tasks.append(asyncio.ensure_future(work))
    )
    live.tell(b"lost")
    await asyncio.gather(*tasks)
    broker.away = False
    live.tell(b"after")
    await asyncio.gather(*tasks)
    assert broker.announced == [b"after"]
    assert tally["announce failed"] == 1
