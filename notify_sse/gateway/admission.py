"""Admission: who may read what, who is let in, and where a client goes on. The same for all three transports.

It holds no connection: what it admits is given to the registry.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Final

import msgspec

from notify_sse.auth import READ, Grant
from notify_sse.core.channels import EVERYONE, named_topics, recipient_channel, topic_channel
from notify_sse.core.stream import Placed, Stream, resume
from notify_sse.core.tail import Tail
from notify_sse.errors import Forbidden, Overloaded
from notify_sse.gateway.connection import UNKNOWN_ORIGIN, Connection, Origin, Transport
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.telemetry.labels import Resumed
from notify_sse.telemetry.metrics import Metrics

CATCH_UP_S: Final = 5.0
MAX_TOPICS: Final = 50
REFUSED_RETRY_S: Final = (2.0, 10.0)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many streams this process takes. `serves` is false for one that only ingests: it takes none."""

    max_streams: int
    max_streams_per_recipient: int
    serves: bool = True


class Admission:
    """`draining` is set when the process takes no more streams, because it ends."""

    def __init__(
        self, tail: Tail, relay: Relay[Connection], registry: Registry, metrics: Metrics, *, limits: Limits
    ) -> None:
        self._tail = tail
        self._relay = relay
        self._registry = registry
        self._metrics = metrics
        self._limits = limits
        self._random = random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.draining = False

    async def admit(
        self,
        grant: Grant,
        transport: Transport,
        *,
        topics: Iterable[str],
        last_event_id: str | None,
        origin: Origin = UNKNOWN_ORIGIN,
    ) -> Connection:
        """A connection for `grant`, to be opened by the registry. It is placed: it knows where it goes on.

        Raises `Forbidden` for what is not granted, `Overloaded` when this process takes no further stream.
        """
        channels = self.channels(grant, topics)
        self.check_room()
        placed = await self.place(last_event_id, channels)
        if last_event_id:
            self._metrics.resumes.labels(self._how(placed)).inc()
        self._make_room(grant.subject)
        return Connection(
            Stream(channels, placed.cursor, generation=self._tail.generation),
            transport,
            connection_id=f"{self._random.getrandbits(128):032x}",  # a name, no secret
            recipient_id=grant.subject,
            token=grant.facts,
            expires_at=grant.expires_at,
            reset=placed.reset,
            origin=origin,
            resumed=bool(last_event_id) and placed.reset is None,
        )

    def channels(self, grant: Grant, topics: Iterable[str]) -> tuple[str, ...]:
        """What a stream of `grant` that names `topics` reads. Raises `Forbidden` for what is not granted."""
        if READ not in grant.scopes:
            raise Forbidden(f"the token lacks the scope {READ}")
        named = list(dict.fromkeys(topics))
        if len(named) > MAX_TOPICS:
            raise Forbidden(f"at most {MAX_TOPICS} topics may be named")
        for topic in named:
            if topic not in grant.topics and topic_channel(topic) != EVERYONE:
                raise Forbidden(f"the token does not grant the topic {topic[:100]!r}")
        # A broadcast finds its channel first, without a look at the recipient of each stream.
        wanted = [EVERYONE, recipient_channel(grant.subject), *map(topic_channel, named)]
        return tuple(dict.fromkeys(wanted))

    def check_renewal(self, grant: Grant, connection: Connection) -> None:
        """Raises `Forbidden` unless `grant` is of the same recipient, and allows all that the connection reads."""
        if grant.subject != connection.recipient_id:
            raise Forbidden("the token is another recipient's")
        self.channels(grant, named_topics(connection.stream.channels))

    def check_serving(self) -> None:
        """Raises `Overloaded` when this process answers no reader: it drains, or its tail is not filled yet."""
        if self.draining or not self._relay.filled:
            raise self._overloaded("this process takes no requests now")

    def check_room(self) -> None:
        """Raises `Overloaded` when this process takes no further stream."""
        if not self._limits.serves:
            raise self._overloaded("this process only ingests; it serves no streams")
        limit: str | None = None
        if self.draining or not self._relay.filled:
            limit = "not_ready"
        elif len(self._registry) >= self._limits.max_streams:
            limit = "max_streams"
        if limit:
            self._metrics.streams_refused.labels(limit).inc()
            raise self._overloaded("this process takes no more streams now")

    async def place(self, last_event_id: str | None, channels: tuple[str, ...] = ()) -> Placed:
        """Where a client with `last_event_id` goes on.

        A cursor that this process does not know may come from one that is ahead of it: it catches up with the log
        before it says so. Raises `Overloaded` when the log cannot be asked.
        """
        topics = named_topics(channels)
        placed = resume(last_event_id, self._tail, topics=topics)
        if placed.reset is None or placed.reset.came is None:
            return placed
        # It may run without a task so far (`eager`), and a timeout needs one.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self._relay.catch_up()
        except TimeoutError:
            raise self._overloaded("the log cannot be read now") from None
        return resume(last_event_id, self._tail, topics=topics)

    def _how(self, placed: Placed) -> Resumed:
        if placed.reset:
            return "reset"
        return "warm" if placed.cursor.position >= self._tail.start else "cold"

    def _make_room(self, recipient_id: str) -> None:
        """Close the oldest streams of a recipient as `replaced`, so that one more stays within its limit."""
        limit = self._limits.max_streams_per_recipient
        open_now = [one for one in self._registry.of_recipient(recipient_id) if one.close_reason is None]
        oldest_first = sorted(open_now, key=lambda one: one.timing.opened_at)
        for connection in oldest_first[: max(0, len(open_now) + 1 - limit)]:
            self._registry.end(connection, "replaced")

    def _overloaded(self, message: str) -> Overloaded:
        """`Overloaded` with a spread delay, so that the refused do not come back together."""
        return Overloaded(message, retry_after_s=self._random.uniform(*REFUSED_RETRY_S))
