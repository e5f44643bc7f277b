"""A relay on a store in hand."""

from collections import Counter
from contextlib import AbstractAsyncContextManager

from notify_sse.core.cursor import Cursor
from notify_sse.core.hub import Hub
from notify_sse.core.model import Announcement
from notify_sse.core.stream import Stream, StreamState
from notify_sse.core.tail import Tail
from notify_sse.gateway.relay import Relay
from notify_sse.telemetry.outage import Outage
from tests.support.doubles import HandStore, metrics, notification, running


class Bench:
    """A relay on a store in hand, with one sleeping stream of alice and everyone."""

    def __init__(self, *, rows: int = 0, max_events: int = 1000) -> None:
        self.store = HandStore()
        self.add(rows)
        self.tally: Counter[str] = Counter()
        self.tail = Tail(max_events=max_events, max_bytes=10**9)
        self.hub: Hub[Stream] = Hub()
        self.driven: list[Stream] = []
        self.max_events = max_events
        self.outage = Outage("the store")
        self.relay = Relay(
            self.store.port,
            self.tail,
            self.hub,
            metrics(self.tally),
            outage=self.outage,
            drive=self.driven.extend,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return running(self.relay.run(max_events=self.max_events, max_bytes=10**9))

    def add(self, count: int, *, recipient: str = "alice") -> Announcement:
        """Append to the log; returns what would be announced."""
        database = self.store.database
        first = len(database.rows) + 1
        names = [f"n{first + number}-{database.epoch}" for number in range(count)]
        database.append([notification(name, recipient=recipient) for name in names])
        return Announcement(database.epoch, first, tuple(database.rows[first - 1 :]))

    def at_head(self) -> bool:
        return self.tail.cursor == Cursor(self.store.database.epoch, len(self.store.database.rows))

    def sleeper(self) -> Stream:
        stream = Stream(("recipient:alice", "topic:all"), self.tail.cursor, generation=self.tail.generation)
        self.hub.join(stream, stream)
        assert stream.pull(self.tail, now_ms=0) is StreamState.ASLEEP
        return stream

    def held(self) -> list[int]:
        return [one.id for one in self.tail._order]
