"""The parts of one process, as the web needs them: who may read what, who is admitted, where a client goes on.

Made by `app`, used by `web`. Holds no state of its own but whether the process is draining.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeVar

from notify_sse.auth import READ, Grant, Verifier
from notify_sse.config import Settings
from notify_sse.core.frames import Cursor, Reset
from notify_sse.core.model import EVERYONE, recipient_channel, topic_channel
from notify_sse.core.ports import Store
from notify_sse.core.stream import resume
from notify_sse.core.tail import Tail
from notify_sse.errors import Forbidden, Overloaded
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.relay import Relay
from notify_sse.log.append import Appender
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import LOG_HEAD, Outage

CATCH_UP_S: Final = 5.0
MAX_TOPICS: Final = 50
REFUSED_RETRY_S: Final = (2.0, 10.0)
ConnectionT = TypeVar("ConnectionT", bound=Connection)


class Gateway:
    """One process: its settings and its running parts."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        store: Store,
        tail: Tail,
        relay: Relay,
        pump: Pump,
        appender: Appender,
        verifier: Verifier,
        store_outage: Outage,
        revoke: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.store = store
        self.tail = tail
        self.relay = relay
        self.pump = pump
        self.appender = appender
        self.verifier = verifier
        self.store_outage = store_outage
        self.revoke = revoke
        self.draining = False
        self._random = random.Random()  # noqa: S311 - spreads load, keeps no secret

    def unready(self) -> Literal["draining", "starting", "keys", "store"] | None:
        """Why this process should get no traffic, or None when it should."""
        if self.draining:
            return "draining"
        ingests_only = self.settings.role == "ingest"
        if not (self.store_outage.reached(LOG_HEAD) if ingests_only else self.relay.filled):
            return "starting"
        if not self.verifier.ready:
            return "keys"
        return "store" if self.store_outage.away(LOG_HEAD) else None

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
        wanted = [recipient_channel(grant.subject), EVERYONE, *map(topic_channel, named)]
        return tuple(dict.fromkeys(wanted))

    def admit(self) -> None:
        """Raises `Overloaded` when this process takes no further stream."""
        if self.settings.role == "ingest":
            raise self.overloaded("this process only ingests; it serves no streams")
        limit: str | None = None
        if self.draining or not self.relay.filled:
            limit = "not_ready"
        elif len(self.pump.connections) >= self.settings.max_streams:
            limit = "max_streams"
        if limit:
            self.metrics.streams_refused.labels(limit).inc()
            raise self.overloaded("this process takes no more streams now")

    def overloaded(self, message: str) -> Overloaded:
        """`Overloaded` with a spread delay, so that the refused do not come back together."""
        return Overloaded(message, retry_after_s=self._random.uniform(*REFUSED_RETRY_S))

    async def resume(self, last_event_id: str | None) -> Cursor | Reset:
        """Where a client with `last_event_id` goes on.

        A cursor that this process does not know may come from one that is ahead of it: it catches up with the log
        before it says so. Raises `Overloaded` when the log cannot be asked.
        """
        outcome = resume(last_event_id, self.tail)
        if isinstance(outcome, Cursor) or outcome.came is None:
            return outcome
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self.relay.catch_up()
        except TimeoutError:
            raise self.overloaded("the log cannot be read now") from None
        return resume(last_event_id, self.tail)

    def make_room(self, owner: str) -> None:
        """Close the oldest streams of `owner` as `replaced`, so that one more stays within its limit."""
        limit = self.settings.max_streams_per_recipient
        open_now = [one for one in self.pump.of(owner) if one.close_reason is None]
        for oldest in sorted(open_now, key=lambda one: one.opened_at)[: max(0, len(open_now) + 1 - limit)]:
            self.pump.end(oldest, "replaced")


async def open_connection(
    gateway: Gateway, kind: type[ConnectionT], grant: Grant, *, topics: Iterable[str], cursor: str | None
) -> tuple[ConnectionT, Reset | None]:
    """A connection of that `kind` for `grant`, admitted and placed, and the reset to tell it of first.

    Raises `Forbidden`, `Overloaded`. The caller gives it a way out, then to the pump.
    """
    channels = gateway.channels(grant, topics)
    gateway.admit()
    place = await gateway.resume(cursor)
    gateway.make_room(grant.subject)
    reset = place if isinstance(place, Reset) else None
    connection = kind(
        channels,
        place.to if isinstance(place, Reset) else place,
        generation=gateway.tail.generation,
        owner=grant.subject,
        token_id=grant.token_id,
        expires_at=grant.expires_at,
    )
    return connection, reset
