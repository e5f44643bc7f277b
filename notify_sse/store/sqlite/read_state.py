"""The read state in the SQLite file. A mark is one transaction, under the one write lock that SQLite has."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import aiosqlite

from notify_sse.core.channels import recipient_channel
from notify_sse.core.model import READ
from notify_sse.core.read_state import Marked, Marks, Unread
from notify_sse.store import marking
from notify_sse.store.batch import sought_text
from notify_sse.store.page import bounded
from notify_sse.store.sqlite import file, own

WAIT_S: Final = 10.0
READS: Final = 2
ALIVE: Final = f"type NOT GLOB '!*' AND (expires_ms = 0 OR expires_ms > {own.NOW_MS})"
UNREAD: Final = f"""
    WITH asked (channel, upto) AS (
        SELECT given.column1, coalesce(read_state.upto, 0)
          FROM (VALUES {{}}) AS given LEFT JOIN read_state ON read_state.channel = given.column1
    )
    SELECT asked.channel, asked.upto, (
        SELECT json_array(count(*), min(id), min(nullif(expires_ms, 0))) FROM (
            SELECT id, expires_ms FROM log INDEXED BY log_channel
             WHERE log.channel = asked.channel AND id > asked.upto AND NOT silent AND {ALIVE}
               AND NOT EXISTS (SELECT 1 FROM read_mark AS mark WHERE mark.channel = asked.channel AND mark.id = log.id)
             UNION ALL
            SELECT log.id, expires_ms FROM read_mark CROSS JOIN log ON log.id = read_mark.id
             WHERE read_mark.channel = asked.channel AND read_mark.id <= asked.upto AND NOT silent AND {ALIVE}
        )
    ) FROM asked
"""  # noqa: S608 - constants
TURNED: Final = f"""
    SELECT EXISTS (SELECT 1 FROM log INDEXED BY log_channel
                    WHERE channel = :channel AND id > :upto AND id <= :position AND {ALIVE}
                      AND id NOT IN (SELECT id FROM read_mark WHERE channel = :channel))
        OR EXISTS (SELECT 1 FROM read_mark WHERE channel = :channel AND id <= min(:position, :upto))
"""  # noqa: S608 - constants
TURNING: Final = f"""
    SELECT log.notification_id, log.id FROM (VALUES {{}}) AS given CROSS JOIN log INDEXED BY log_identity
        ON log.channel = ? AND log.notification_id = given.column1
     WHERE {ALIVE} AND ? <> ((id <= ?) <> (id IN (SELECT id FROM read_mark WHERE channel = log.channel)))
"""  # noqa: S608 - constants
LOOKUP_IDS: Final = 400
"""At a time: SQLite bounds the parameters of a statement."""


class SqliteReadState:
    """The `ReadState` in a file."""

    def __init__(self, database_url: str) -> None:
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reads = file.Reader(path, width=READS, wait_s=WAIT_S)

    async def close(self) -> None:
        await self._writer.close()
        await self._reads.close()

    async def unread(self, recipients: Sequence[str]) -> list[Unread]:
        async def work(connection: aiosqlite.Connection) -> list[Unread]:
            epoch, position = await own.head(connection)
            channels = [_channel(one) for one in recipients]
            counted = await _unread(connection, channels)
            return [
                marking.unread(epoch, position, upto, count=count, oldest=oldest, expiring_ms=expiring_ms)
                for upto, count, oldest, expiring_ms in map(counted.__getitem__, channels)
            ]

        return await self._reads.run(work)

    async def mark_upto(self, recipient_id: str, position: int) -> Marked:
        channel = _channel(recipient_id)

        async def work(connection: aiosqlite.Connection) -> Marked:
            epoch, head = await own.head(connection)
            before = await _upto(connection, channel)
            reached = min(bounded(position, default=0), head)
            values = {"channel": channel, "upto": before, "position": reached}
            [(turned,)] = await connection.execute_fetchall(TURNED, values)
            await connection.execute("DELETE FROM read_mark WHERE channel = ? AND id <= ?", (channel, reached))
            upto = max(before, reached)
            if upto > before:
                await connection.execute(
                    "INSERT INTO read_state (channel, upto) VALUES (?, ?)"
                    " ON CONFLICT (channel) DO UPDATE SET upto = excluded.upto",
                    (channel, upto),
                )
            told = {"upto": f"{epoch}.{reached}", "ids": None, "read": True} if turned else None
            return await _outcome(connection, recipient_id, upto, told)

        return await self._writer.run(work)

    async def mark(self, recipient_id: str, notification_ids: Collection[str], *, read: bool) -> Marked:
        channel, ids = _channel(recipient_id), marking.distinct(notification_ids)

        async def work(connection: aiosqlite.Connection) -> Marked:
            upto = await _upto(connection, channel)
            turning = await _turning(connection, channel, upto, ids, read=read)
            # An exception where the position does not say it already.
            for place in turning.values():
                statement = (
                    "DELETE FROM read_mark WHERE channel = ? AND id = ?"
                    if read == (place <= upto)
                    else "INSERT INTO read_mark (channel, id) VALUES (?, ?)"
                )
                await connection.execute(statement, (channel, place))
            told = {"upto": None, "ids": [one for one in ids if one in turning], "read": read} if turning else None
            return await _outcome(connection, recipient_id, upto, told)

        return await self._writer.run(work)

    async def marks(self, recipient_id: str, positions: Sequence[int]) -> Marks:
        channel = _channel(recipient_id)

        async def work(connection: aiosqlite.Connection) -> Marks:
            upto = await _upto(connection, channel)
            rows = await connection.execute_fetchall(
                "SELECT id FROM read_mark WHERE channel = ? AND id IN (SELECT value FROM json_each(?))",
                (channel, json.dumps(list(positions))),
            )
            return Marks(upto, frozenset(place for (place,) in rows))

        return await self._reads.run(work)


def _channel(recipient_id: str) -> bytes:
    return sought_text(recipient_channel(recipient_id))


async def _upto(connection: aiosqlite.Connection, channel: bytes) -> int:
    rows = await connection.execute_fetchall("SELECT upto FROM read_state WHERE channel = ?", (channel,))
    return next((upto for (upto,) in rows), 0)


class _Counted(NamedTuple):
    """Up to where a channel is read; how many are unread, the lowest id, the earliest time at which one expires."""

    upto: int
    unread: int
    oldest: int | None
    expiring_ms: int | None


async def _unread(connection: aiosqlite.Connection, channels: Sequence[bytes]) -> dict[bytes, _Counted]:
    """In one statement: each goes to another thread and back."""
    if not channels:
        return {}
    select = UNREAD.format(",".join(["(?)"] * len(channels)))
    rows = await connection.execute_fetchall(select, channels)
    return {channel: _Counted(upto, *json.loads(counted)) for channel, upto, counted in rows}


async def _turning(
    connection: aiosqlite.Connection, channel: bytes, upto: int, ids: Sequence[str], *, read: bool
) -> dict[str, int]:
    """Of `ids`, those whose state changes, each with its place."""
    turning: dict[str, int] = {}
    for start in range(0, len(ids), LOOKUP_IDS):
        some = [sought_text(one) for one in ids[start : start + LOOKUP_IDS]]
        select = TURNING.format(",".join(["(?)"] * len(some)))
        rows = await connection.execute_fetchall(select, (*some, channel, read, upto))
        turning |= {notification_id.decode(): place for notification_id, place in rows}
    return turning


async def _outcome(
    connection: aiosqlite.Connection, recipient_id: str, upto: int, told: dict[str, Any] | None
) -> Marked:
    """Write the event, which tells `told` and what is unread now; without `told`, nothing changed."""
    channel = _channel(recipient_id)
    count = (await _unread(connection, [channel]))[channel].unread
    if told is None:
        epoch, _ = await own.head(connection)
        return marking.marked(recipient_id, epoch, event_id=None, body=None, count=count, upto=upto)
    body = marking.to_json({**told, "unread": count})
    epoch, event_id = await own.append(connection, channel, READ, body)
    return marking.marked(recipient_id, epoch, event_id=event_id, body=body, count=count, upto=upto)
