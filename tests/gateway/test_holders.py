"""Who holds most streams, kept as they come and go, is what counting all of them says."""

import random
from collections import Counter
from types import SimpleNamespace
from typing import cast

import pytest

from notify_sse.core.cursor import Cursor
from notify_sse.core.hub import Hub
from notify_sse.core.journal import Holder
from notify_sse.core.stream import Stream
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.holders import Holders
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from tests.gateway.one_connection import SlowTransport
from tests.support.doubles import metrics


def _connection(number: int, recipient: str) -> Connection:
    stream = Stream((f"recipient:{recipient}", "topic:all"), Cursor("e", 1), generation=1)
    return Connection(stream, SlowTransport(), connection_id=str(number), recipient_id=recipient)


@pytest.mark.parametrize("seed", range(20))
def test_it_says_what_counting_all_would(seed: int) -> None:
    """Whatever comes and goes, in whatever order; a leave that comes twice counts once."""
    chance = random.Random(seed)
    pump = cast(Pump, SimpleNamespace(start=lambda _: None))
    registry = Registry(pump, Hub[Connection](), metrics())
    names = [f"r{number}" for number in range(chance.choice((2, 8, 40)))]
    for number in range(300):
        if chance.random() < 0.55 or not len(registry):
            registry.open(_connection(number, chance.choice(names)))
        else:
            leaving = chance.choice(registry.connections())
            for _ in range(chance.choice((1, 1, 2))):
                registry.leave(leaving)
        counted = Counter(one.recipient_id for one in registry)
        assert registry.holders.recipients == len(counted)
        most = registry.holders.most(5, registry)
        assert [one.streams for one in most] == [count for _, count in counted.most_common(5)]
        assert all(counted[one.recipient_id] == one.streams for one in most)
        assert len({one.recipient_id for one in most}) == len(most)


def test_whoever_has_one_stream_takes_no_memory() -> None:
    holders = Holders()
    for number in range(1000):
        holders.opened(f"r{number}", 1)
    holders.opened("r5", 2)
    assert holders._several == {"r5": 2}
    holders.left("r5", 1)
    assert not holders._several
    assert holders.most(1, [_connection(0, "r5")]) == (Holder("r5", 1),)
