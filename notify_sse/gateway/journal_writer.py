"""Writes the journal: a row for each connection of this process, and how far it has written, once a second.

Aside of the hot path: opening and closing a connection puts a value into a list. What cannot be written waits, up to
`MAX_WAITING` rows; what is beyond that is counted and lost, and a trace then says that it does not know.
"""

import asyncio
import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Sized
from typing import Final, Protocol

from notify_sse.core.channels import named_topics
from notify_sse.core.control import Reset
from notify_sse.core.journal import Accepted, Beat, Closed, Entries, Forgotten, Journal, Lagging, Opened
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreRefused, StoreUnavailable
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.report import Reporter
from notify_sse.telemetry.metrics import Metrics
from notify_sse.version import __version__

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
MAX_WAITING: Final = 50_000
MAX_LAGGING: Final = 1000
LAST_WRITE_S: Final = 2.0
CLIENT_LEFT: Final = "client"
AFTER_RESET: Final = "reset"


class OpenStreams(Sized, Iterable[Connection], Protocol):
    """Those that are open at the time: they are not copied once a second."""


class JournalWriter:
    """`opened`, `closed`, `moved` and `accepted` are synchronous; `run` writes. `connections` are those that are open
    now, `announces` says whether the broker takes announcements now, `lag_events` how far the tail is behind the log,
    `reporter` what else this process tells of itself; `salt` goes into the hashes of addresses.
    """

    def __init__(
        self,
        journal: Journal,
        tail: Tail,
        metrics: Metrics,
        *,
        connections: OpenStreams,
        announces: Callable[[], bool],
        lag_events: Callable[[], int],
        reporter: Reporter,
        salt: str,
    ) -> None:
        self.gateway = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
        self._journal = journal
        self._tail = tail
        self._metrics = metrics
        self._connections = connections
        self._announces = announces
        self._lag_events = lag_events
        self._reporter = reporter
        self._salt = salt.encode()
        self._opened: list[Opened] = []
        self._closed: list[Closed] = []
        self._accepted: list[Accepted] = []
        self._erased: list[Forgotten] = []
        self._moves: dict[str, int] = {}
        """Of connections whose log broke off: how often. Each time is a row of its own."""
        self._lost = 0
        self._begun = asyncio.Event()
        self._openings = 0
        self._all_asleep_at: tuple[int, ...] = ()
        """Where the tail was, and how many had opened, when everybody was found asleep."""

    def opened(self, connection: Connection) -> None:
        """`connection` is about to be opened."""
        self._openings += 1
        if connection.reset:
            self._reporter.note_reset(connection, connection.reset)
        stream = connection.stream
        self._begin(connection, resumed_at=stream.position if connection.resumed else 0)

    def closed(self, connection: Connection) -> None:
        """`connection` has ended."""
        self._end(connection, connection.stream.position, connection.close_reason or CLIENT_LEFT)
        self._moves.pop(connection.id, None)

    def moved(self, connection: Connection, reset: Reset) -> None:
        """The log broke off, and the stream goes on elsewhere: what it wrote until then is another row's."""
        self._reporter.note_reset(connection, reset)
        if reset.came is None or reset.came.epoch == reset.to.epoch:
            return  # retention overtook it: what lay between is in no log any more
        self._end(connection, reset.came.position, AFTER_RESET)
        self._moves[connection.id] = self._moves.get(connection.id, 0) + 1
        self._begin(connection, resumed_at=0)

    def erased(self, recipient_id: str) -> None:
        """Everything of the recipient was erased; what is known here of their connections until now goes too."""
        self._erased.append(Forgotten(recipient_id=recipient_id, until_ms=_now_ms()))
        self._reporter.erased(recipient_id)
        self._drop_erased()

    def _drop_erased(self) -> None:
        gone = {one.recipient_id: one.until_ms for one in self._erased}
        self._opened = [one for one in self._opened if one.opened_ms > gone.get(one.recipient_id, -1)]

    def accepted(self, first: int, last: int, way: str) -> None:
        """The notifications `first` to `last` came over `way`, and are committed."""
        now_ms, newest = _now_ms(), self._accepted[-1] if self._accepted else None
        announced = self._announces()
        if newest and (newest.last, newest.way, newest.announced) == (first - 1, way, announced):
            first = newest.first
            self._accepted.pop()
        self._accepted.append(
            Accepted(first=first, last=last, way=way, gateway=self.gateway, committed_ms=now_ms, announced=announced)
        )

    async def run(self) -> None:
        """Write at once, and then once a second, until cancelled."""
        while True:
            await self._write()
            self._begun.set()
            await asyncio.sleep(EVERY_S)

    async def begun(self) -> None:
        """Wait until the database has heard of this gateway, or could not be told. Whoever is let in before would be
        known to nobody if the process died within its first second.
        """
        await self._begun.wait()

    async def finish(self) -> None:
        """Write what is left, and that this process has ended in order."""
        try:
            async with asyncio.timeout(LAST_WRITE_S):
                await self._write(stopped=True)
        except TimeoutError:
            logger.debug("the last entries of the journal were not written", extra={"action": "journal"})

    def _begin(self, connection: Connection, *, resumed_at: int) -> None:
        if self._full():
            return
        stream = connection.stream
        self._opened.append(
            Opened(
                connection_id=self._row_of(connection.id),
                recipient_id=connection.recipient_id,
                gateway=self.gateway,
                transport=connection.transport.name,
                address_hash=self._hashed(connection.origin.address),
                topics=named_topics(stream.channels),
                filtered=not connection.transport.takes_all,
                epoch=stream.epoch,
                position=stream.position,
                resumed_at=resumed_at,
                opened_ms=_now_ms(),
            )
        )

    def _end(self, connection: Connection, position: int, reason: str) -> None:
        if not self._full():
            row = self._row_of(connection.id)
            self._closed.append(Closed(connection_id=row, position=position, closed_ms=_now_ms(), reason=reason))

    def _row_of(self, connection_id: str) -> str:
        move = self._moves.get(connection_id)
        return f"{connection_id}.{move}" if move else connection_id

    def _full(self) -> bool:
        if len(self._opened) + len(self._closed) < MAX_WAITING:
            return False
        self._lost += 1
        self._metrics.journal_lost.inc()
        return True

    def _hashed(self, address: str) -> str:
        """So that two connections from one address can be told to be that, and no address is kept."""
        return hashlib.blake2b(address.encode(), key=self._salt[:64], digest_size=8).hexdigest() if address else ""

    async def _write(self, *, stopped: bool = False) -> None:
        """What cannot be written now is written with the next."""
        opened, self._opened = self._opened, []
        closed, self._closed = self._closed, []
        accepted, self._accepted = self._accepted, []
        erased, self._erased = self._erased, []
        entries = Entries(
            beat=self._beat(stopped=stopped),
            opened=tuple(opened),
            closed=tuple(closed),
            accepted=tuple(accepted),
            erased=tuple(erased),
        )
        try:
            await self._journal.write(entries)
        except (StoreUnavailable, asyncio.CancelledError) as exc:
            # Cancelled at the end of the process: what is under way may be lost, and is written again by `finish`.
            self._opened, self._closed = opened + self._opened, closed + self._closed
            self._accepted = (accepted + self._accepted)[-MAX_WAITING:]
            self._erased = erased + self._erased
            self._drop_erased()
            if isinstance(exc, asyncio.CancelledError):
                raise
        except StoreRefused as exc:
            # A name that is no text: whose it is cannot be told, so it is lost like one that found no room.
            self._lost += len(opened) + len(closed)
            self._metrics.journal_lost.inc(len(opened) + len(closed))
            logger.warning("entries of the journal were refused", extra={"action": "journal", "error": str(exc)})

    def _beat(self, *, stopped: bool) -> Beat:
        """Who is not asleep has not written all that is in the tail."""
        position, epoch = self._tail.position, self._tail.epoch
        awake = self._awake()
        lagging: tuple[Lagging, ...] = ()
        if len(awake) > MAX_LAGGING:
            position = min(position, *(one.stream.position for one in awake))
        else:
            lagging = tuple(Lagging(self._row_of(one.id), one.stream.position) for one in awake)
        return Beat(
            gateway=self.gateway,
            version=__version__,
            epoch=epoch,
            position=position,
            lagging=lagging,
            lost=self._lost,
            stopped=stopped,
            streams=len(self._connections),
            lag=self._lag_events(),
            report=self._reporter.report(self._connections),
        )

    def _awake(self) -> list[Connection]:
        """A sleeper wakes when the tail moves, and at nothing else: until then nobody is looked at again."""
        tail = self._tail
        here = tail.generation, tail.start, tail.position, self._openings
        if here == self._all_asleep_at:
            return []
        awake = [one for one in self._connections if not one.stream.asleep]
        self._all_asleep_at = () if awake else here
        return awake


def _now_ms() -> int:
    return int(time.time() * 1000)
