"""The `AccessRecords` in the SQLite file: beside the log, with a connection of its own to write."""

import json
from collections.abc import Collection
from typing import Any, Final

import aiosqlite
import msgspec

from notify_sse.core.access import (
    UNDONE_KEPT_S,
    AuditRecord,
    Change,
    NewRevocation,
    RevocationChanges,
    RevocationRecord,
    RevokedKind,
)
from notify_sse.errors import StoreUnavailable
from notify_sse.store.batch import stored_text
from notify_sse.store.page import MAX_ID
from notify_sse.store.sqlite import file

READS: Final = 2
WAIT_S: Final = 5.0
NOTE: Final = """
    INSERT INTO audit (at_ms, who, address, action, target, details)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), ?, ?, ?, ?, ?)
"""
AUDIT: Final = """
    SELECT id, at_ms, who, address, action, target, details FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?
"""
NEXT_VERSION: Final = "UPDATE revocation_head SET version = version + 1"
NEWEST: Final = "SELECT version FROM revocation_head"
REVOKE: Final = """
    INSERT INTO revocations (id, version, kind, value, revoked_ms, until_ms, reason, who)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
UNDO: Final = """
    UPDATE revocations
       SET undone = true, version = ?, until_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?
     WHERE id = ?
"""
ONE: Final = """
    SELECT kind, value, revoked_ms, until_ms, reason, who, id, undone FROM revocations WHERE id = ?
"""
IN_FORCE: Final = """
    SELECT kind, value, revoked_ms, until_ms, reason, who, id, undone FROM revocations
     WHERE id < ? AND kind IN (SELECT value FROM json_each(?)) AND NOT undone ORDER BY id DESC LIMIT ?
"""
CHANGES: Final = """
    SELECT kind, value, revoked_ms, until_ms, reason, who, id, undone, version FROM revocations
     WHERE version > ? ORDER BY version LIMIT ?
"""
ISSUE: Final = """
    INSERT INTO tickets (hash, granted, expires_ms)
    VALUES (?, ?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ?)
"""
REDEEM: Final = """
    SELECT granted, expires_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) FROM tickets WHERE hash = ?
"""
FORGET_TICKETS: Final = """
    DELETE FROM tickets WHERE hash IN (
        SELECT hash FROM tickets WHERE expires_ms < CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) LIMIT ?)
"""
FORGET_OVER: Final = """
    DELETE FROM revocations WHERE id IN (
        SELECT id FROM revocations WHERE until_ms > 0
           AND until_ms < CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) LIMIT ?)
"""
FORGET_OLD: Final = """
    DELETE FROM revocations WHERE id IN (
        SELECT id FROM revocations WHERE until_ms = 0 AND revoked_ms <= ? LIMIT ?)
"""


class SqliteAccessRecords:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        path = file.path_of(database_url)
        self._writer = file.Writer(path, wait_s=WAIT_S)
        self._reads = file.Reader(path, width=READS, wait_s=WAIT_S)

    async def close(self) -> None:
        await self._reads.close()
        await self._writer.close()

    async def note(self, change: Change) -> None:
        await self._writer.run(lambda connection: connection.execute(NOTE, _noted(change)))

    async def audit(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        rows = await self._fetch(AUDIT, MAX_ID if before is None else before, limit)
        return [
            AuditRecord(
                id=row[0],
                at_ms=row[1],
                who=row[2].decode(),
                address=row[3],
                action=row[4],
                target=row[5].decode(),
                details=row[6],
            )
            for row in rows
        ]

    async def revoke(self, revocation: NewRevocation, *, change: Change | None) -> RevocationRecord:
        values = (
            revocation.kind,
            stored_text(revocation.value),
            revocation.revoked_ms,
            revocation.until_ms,
            stored_text(revocation.reason),
            stored_text(revocation.who),
        )

        async def work(connection: aiosqlite.Connection) -> RevocationRecord:
            version = await _next_version(connection)
            await connection.execute(REVOKE, (version, version, *values))
            if change:
                await connection.execute(NOTE, _noted(change))
            return RevocationRecord(id=version, **msgspec.structs.asdict(revocation))

        return await self._writer.run(work)

    async def undo(self, revocation_id: int, *, change: Change) -> RevocationRecord | None:
        async def work(connection: aiosqlite.Connection) -> RevocationRecord | None:
            found = [_record(row) for row in await connection.execute_fetchall(ONE, (revocation_id,))]
            if not found or found[0].undone:
                return None
            version = await _next_version(connection)
            await connection.execute(UNDO, (version, UNDONE_KEPT_S * 1000, revocation_id))
            await connection.execute(NOTE, _noted(change))
            return msgspec.structs.replace(found[0], undone=True)

        return await self._writer.run(work) if 0 < revocation_id <= MAX_ID else None

    async def revocations(
        self, kinds: Collection[RevokedKind], *, before: int | None, limit: int
    ) -> list[RevocationRecord]:
        rows = await self._fetch(IN_FORCE, MAX_ID if before is None else before, json.dumps(list(kinds)), limit)
        return [_record(row) for row in rows]

    async def revocation_changes(self, after: int, *, limit: int) -> RevocationChanges:
        async def work(connection: aiosqlite.Connection) -> RevocationChanges:
            newest = await _newest(connection)
            rows = list(await connection.execute_fetchall(CHANGES, (after, limit)))
            version = rows[-1][8] if rows else after
            return RevocationChanges(tuple(_record(row) for row in rows), version, newest)

        return await self._reads.run(work)

    async def issue_ticket(self, ticket_hash: bytes, granted: bytes, *, ttl_s: float) -> None:
        await self._writer.run(lambda connection: connection.execute(ISSUE, (ticket_hash, granted, int(ttl_s * 1000))))

    async def redeem_ticket(self, ticket_hash: bytes) -> bytes | None:
        async def work(connection: aiosqlite.Connection) -> bytes | None:
            for granted, good in await connection.execute_fetchall(REDEEM, (ticket_hash,)):
                await connection.execute("DELETE FROM tickets WHERE hash = ?", (ticket_hash,))
                return bytes(granted) if good else None
            return None

        return await self._writer.run(work)

    async def forget(self, *, revoked_before_ms: int | None, limit: int) -> int:
        async def work(connection: aiosqlite.Connection) -> int:
            forgotten = (await connection.execute(FORGET_TICKETS, (limit,))).rowcount
            forgotten += (await connection.execute(FORGET_OVER, (limit,))).rowcount
            if revoked_before_ms is not None:
                forgotten += (await connection.execute(FORGET_OLD, (revoked_before_ms, limit))).rowcount
            return forgotten

        return await self._writer.run(work)

    async def _fetch(self, statement: str, *values: Any) -> list[Any]:
        async def work(connection: aiosqlite.Connection) -> list[Any]:
            return list(await connection.execute_fetchall(statement, values))

        return await self._reads.run(work)


async def _next_version(connection: aiosqlite.Connection) -> int:
    await connection.execute(NEXT_VERSION)
    return await _newest(connection)


async def _newest(connection: aiosqlite.Connection) -> int:
    for (version,) in await connection.execute_fetchall(NEWEST):
        return int(version)
    raise StoreUnavailable("the revocations have no head: the database was emptied")


def _noted(change: Change) -> tuple[Any, ...]:
    return (
        stored_text(change.who),
        change.address,
        change.action,
        stored_text(change.target),
        msgspec.json.encode(change.details),
    )


def _record(row: Any) -> RevocationRecord:
    return RevocationRecord(
        kind=row[0],
        value=row[1].decode(),
        revoked_ms=row[2],
        until_ms=row[3],
        reason=row[4].decode(),
        who=row[5].decode(),
        id=row[6],
        undone=bool(row[7]),
    )
