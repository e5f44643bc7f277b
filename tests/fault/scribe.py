"""Follows the log itself, in the database and past every gateway: where everything is, and whether ids have gaps.

Retention removes what the judge needs to know, so it is written down as it comes. The scribe can also commit without
an announcement, as an ingester that is killed between the two does, and run retention on demand.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

import asyncpg
import msgspec

from tests.fault.ledger import ORPHANS, Ledger
from tests.support.contract import channel_of

FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
LIMIT = 20_000


OWN = {"!read": "read", "!recalled": "recalled"}
"""What the service itself writes to the log and sends: type → event."""


class Row(msgspec.Struct, frozen=True):
    """What stands somewhere in the log."""

    kind: str
    channel: bytes
    expires: bool


class Stored(msgspec.Struct, frozen=True):
    """The log as it is now, and what is read of it."""

    rows: dict[int, Row]
    upto: dict[bytes, int]
    exceptions: set[tuple[bytes, int]]
    epoch: str

    def is_read(self, place: int) -> bool:
        """Whether what stands there is read by the one whose it is."""
        channel = self.rows[place].channel
        return (place <= self.upto.get(channel, 0)) != ((channel, place) in self.exceptions)


class Scribe:
    """One connection of its own, straight to the server."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.gaps: list[str] = []
        self.epoch = ""
        self.floor = 0
        self.last = 0
        self._url = url
        self._ledger = ledger
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._orphans = 0

    async def follow(self, *, every_s: float = 0.5) -> None:
        """Write down what was committed, until cancelled. Survives the server's absence."""
        while True:
            await asyncio.sleep(every_s)
            with suppress(*FOREIGN):
                await self.catch_up()

    async def catch_up(self) -> int:
        """Read what is new; returns the log's position. Raises what asyncpg does when the server is away."""
        while True:
            rows, head = await self._run(self._read)
            self._take(rows, head)
            if len(rows) < LIMIT:
                return int(head[1])

    async def stored(self) -> Stored:
        """Everything, as of one moment: for the end of a run. Raises what asyncpg does."""

        async def work(connection: asyncpg.Connection) -> Stored:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                rows = await connection.fetch("SELECT id, type, channel, expires_ms > 1 FROM log")
                upto = await connection.fetch("SELECT channel, upto FROM read_state")
                exceptions = await connection.fetch("SELECT channel, id FROM read_mark")
            return Stored(
                {place: Row(kind, channel, expires) for place, kind, channel, expires in rows},
                {row["channel"]: row["upto"] for row in upto},
                {(channel, place) for channel, place in exceptions},
                self.epoch,
            )

        stored: Stored = await self._run(work)
        return stored

    async def expire(self, *, retention_s: float, limit: int) -> int:
        """One step of retention, as the service makes them."""
        await self.catch_up()
        removed = await self._run(lambda c: c.fetchval("SELECT log_expire($1, $2)", int(retention_s * 1000), limit))
        return int(removed)

    async def commit_unannounced(self, document: dict[str, Any], *, readers: set[str]) -> None:
        """Append `document`, and tell nobody."""
        self._orphans += 1
        channel = channel_of(document)
        columns = (
            [document["notification_id"].encode()],
            [channel.encode()],
            [document["notification_type"]],
            [msgspec.json.encode(document)],
            [b"orphan"],
            [0],
        )
        try:
            await self._run(lambda c: c.fetchrow("SELECT * FROM log_append($1, $2, $3, $4, $5, $6)", *columns))
        except FOREIGN:
            self._ledger.published(document, publisher=ORPHANS, outcome="unknown", ordered=False)
            raise
        self._ledger.orphan(document["notification_id"], at=time.monotonic(), channel=channel, readers=readers)
        self._ledger.published(document, publisher=ORPHANS, outcome="accepted", ordered=False)

    async def close(self) -> None:
        if self._connection:
            self._connection.terminate()
            self._connection = None

    async def _read(self, connection: asyncpg.Connection) -> tuple[list[Any], Any]:
        rows = await connection.fetch(
            "SELECT id, notification_id, channel, type, body FROM log WHERE id > $1 ORDER BY id LIMIT $2",
            self.last,
            LIMIT,
        )
        head = await connection.fetchrow("SELECT epoch, position, floor FROM log_head")
        return rows, head

    def _take(self, rows: list[Any], head: Any) -> None:
        for position, name, channel, kind, body in rows:
            if position != self.last + 1 and not position - 1 <= head[2]:
                self.gaps.append(f"the log goes on at {position} after {self.last}; its floor is {head[2]}")
            self.last = position
            if event := OWN.get(kind):
                self._ledger.own_event(f"!{event} {position}", position, channel.decode(), msgspec.json.decode(body))
            else:
                self._ledger.place(name.decode(), position, channel.decode())
        self.epoch, self.floor = head[0], head[2]

    async def _run(self, work: Any) -> Any:
        async with self._turn, asyncio.timeout(5):
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url, timeout=3, command_timeout=4)
            try:
                return await work(self._connection)
            except BaseException:
                self._connection.terminate()
                self._connection = None
                raise
