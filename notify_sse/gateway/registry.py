"""Who is connected: every open connection of the process, from its opening until it has left.

Opens and ends connections; what is written to them is the pump's matter. Everything but `drain` is synchronous.
"""

import asyncio
import logging
import random
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final, Protocol

from notify_sse.auth.grant import TokenFacts
from notify_sse.auth.revoked import Revoked
from notify_sse.core.channels import RECIPIENT, recipient_channel
from notify_sse.core.control import CloseReason
from notify_sse.core.frames import Frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import ERASED
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.holders import Holders
from notify_sse.gateway.pump import Pump
from notify_sse.telemetry.metrics import Metrics

DRAIN_SPREAD: Final = 0.6
"""The part of the drain time over which connections are closed; the rest is for their last bytes."""

logger = logging.getLogger(__name__)


class JournalOfConnections(Protocol):
    """Hears of each connection, and must not wait."""

    def opened(self, connection: Connection) -> None:
        """It is about to be opened."""

    def closed(self, connection: Connection) -> None:
        """It has ended."""

    def erased(self, recipient_id: str) -> None:
        """Nothing is to be known any more of this recipient's connections until now."""


class Registry:
    """The open connections. `opened` and `closed` count them since the start."""

    def __init__(
        self,
        pump: Pump,
        hub: Hub[Connection],
        metrics: Metrics,
        *,
        log_level: int = logging.DEBUG,
        revoked: Revoked | None = None,
    ) -> None:
        self._log_level = log_level
        self.journal: JournalOfConnections | None = None
        self.holders = Holders()
        self._pump = pump
        self._hub = hub
        self._metrics = metrics
        self._revoked = Revoked(known=True) if revoked is None else revoked
        self._connections: dict[Connection, None] = {}
        self._draining = False
        self._empty = asyncio.Event()
        self._jitter = random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.opened = self.closed = 0

    def __len__(self) -> int:
        return len(self._connections)

    def open(self, connection: Connection) -> None:
        """Greet, replay, go live. Pair with `leave` in a `finally`."""
        self._connections[connection] = None
        self.opened += 1
        self._metrics.streams_opened[connection.transport.name].inc()
        if self.journal is not None:
            self.journal.opened(connection)
        self._record("stream opened", connection)
        # Join before the first read: what is committed between the two must wake it.
        self._hub.join(connection.stream, connection)
        self.holders.opened(connection.recipient_id, self._number_of(connection.recipient_id))
        self._pump.start(connection)
        # It was admitted before the drain or the revocation came, and their lists do not have it.
        if self._draining:
            self.end(connection, "drain")
        elif self._revoked.refuses(connection.token):
            self.end(connection, "revoked")

    def leave(self, connection: Connection) -> None:
        """The connection is over, from whichever side. Idempotent."""
        connection.leave()
        if connection not in self._connections:
            return
        del self._connections[connection]
        self.closed += 1
        self._hub.leave(connection.stream)
        self.holders.left(connection.recipient_id, self._number_of(connection.recipient_id))
        self._metrics.stream_seconds.note(time.monotonic() - connection.timing.opened_at)
        self._metrics.streams_closed[connection.close_reason or "client"].inc()
        if self.journal is not None:
            self.journal.closed(connection)
        self._record("stream closed", connection, reason=connection.close_reason or "client")
        if not self._connections:
            self._empty.set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections)

    def _record(self, message: str, connection: Connection, **fields: str) -> None:
        if not logger.isEnabledFor(self._log_level):
            return
        origin, stream = connection.origin, connection.stream
        extra = {
            "action": message.replace(" ", "_"),
            "connection_id": connection.id,
            "request_id": origin.request_id,
            "address": origin.address,
            "transport": connection.transport.name,
            "cursor": f"{stream.epoch}.{stream.position}",
            **fields,
        }
        logger.log(self._log_level, message, extra=extra)

    def end(self, connection: Connection, reason: CloseReason) -> None:
        """Say `closing` with `reason`, then end."""
        self._pump.close(connection, reason)

    def renew(self, connection: Connection, *, token: TokenFacts, expires_at: float) -> None:
        """Go on with another token, which ends at `expires_at` (Unix seconds). One that ends already ends."""
        if connection in self._connections and connection.close_reason is None:
            connection.token = token
            self._pump.renew(connection, expires_at)
            self.end_revoked([token.subject])  # it may have been revoked while it was looked at

    def of_recipient(self, recipient_id: str) -> list[Connection]:
        """The open connections of one recipient."""
        return self._hub.readers(recipient_channel(recipient_id))

    def _number_of(self, recipient_id: str) -> int:
        return self._hub.number_of_readers(recipient_channel(recipient_id))

    def connections(self) -> list[Connection]:
        """The open connections, as they are now."""
        return list(self._connections)

    def end_revoked(self, subjects: Collection[str] | None) -> None:
        """End every connection whose token is revoked now, as `revoked`: of these subjects; None: of anybody."""
        looked_at: Iterable[Connection] = self._connections
        if subjects is not None:
            looked_at = [one for subject in subjects for one in self.of_recipient(subject)]
        self._end_all((one for one in looked_at if self._revoked.refuses(one.token)), "revoked")

    def end_erased(self, frames: Iterable[Frame]) -> None:
        """End, as `revoked`, every connection of a recipient of whom everything was erased, as `frames` tell."""
        for frame in frames:
            if frame.type == ERASED:
                recipient_id = frame.channel.removeprefix(RECIPIENT)
                self._end_all(self.of_recipient(recipient_id), "revoked")
                if self.journal is not None:
                    self.journal.erased(recipient_id)

    def end_one(self, connection_id: str) -> bool:
        """End, as `drain`, the connection with this id: its client comes back. Returns whether there is one here.

        Looks at every connection: an administrator asks, and not often.
        """
        found = [one for one in self._connections if one.id == connection_id]
        self._end_all(found, "drain")
        return bool(found)

    async def drain(self, within_s: float) -> None:
        """End every connection, spread over the time given, so that they do not all come back at once."""
        self._draining = True
        waiting = list(self._connections)
        self._jitter.shuffle(waiting)
        loop = asyncio.get_running_loop()
        start, spread_s = loop.time(), within_s * DRAIN_SPREAD
        for number, connection in enumerate(waiting):
            await asyncio.sleep(max(0.0, start + spread_s * number / len(waiting) - loop.time()))
            self.end(connection, "drain")
        self._empty.clear()
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(start + within_s):
                    await self._empty.wait()

    def _end_all(self, connections: Iterable[Connection], reason: CloseReason) -> None:
        for connection in list(connections):  # a connection that ends leaves the registry
            self.end(connection, reason)
