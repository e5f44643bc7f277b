"""The `AccessRecords` in Postgres: each operation is one autocommitted statement, as in `store`."""

from collections.abc import Collection, Sequence
from importlib import resources
from typing import Any, Final

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
from notify_sse.store.postgres.pool import PostgresPool

CONNECTIONS: Final = 2
WAIT_S: Final = 5.0
NOTE: Final = """
    INSERT INTO audit (at_ms, who, address, action, target, details)
    VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint, $1, $2, $3, $4, $5)
"""
AUDIT: Final = """
    SELECT id, at_ms, who, address, action, target, details FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2
"""
IN_FORCE: Final = """
    SELECT kind, value, revoked_ms, until_ms, reason, who, id, undone FROM revocations
     WHERE id < $1 AND kind = ANY($2::text[]) AND NOT undone ORDER BY id DESC LIMIT $3
"""
ISSUE: Final = """
    INSERT INTO tickets (hash, granted, expires_ms)
    VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3)
"""
REDEEM: Final = """
    DELETE FROM tickets WHERE hash = $1
    RETURNING granted, expires_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS good
"""
FORGET_TICKETS: Final = """
    DELETE FROM tickets WHERE hash = ANY (ARRAY(
        SELECT hash FROM tickets WHERE expires_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint
         ORDER BY expires_ms LIMIT $1))
"""
FORGET_OVER: Final = """
    DELETE FROM revocations WHERE id = ANY (ARRAY(
        SELECT id FROM revocations
         WHERE until_ms > 0 AND until_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint
         ORDER BY until_ms LIMIT $1))
"""
FORGET_OLD: Final = """
    DELETE FROM revocations WHERE id = ANY (ARRAY(
        SELECT id FROM revocations WHERE until_ms = 0 AND revoked_ms <= $2 ORDER BY until_ms LIMIT $1))
"""


class PostgresAccessRecords:
    """See the port."""

    def __init__(self, database_url: str) -> None:
        self._pool = PostgresPool(database_url, size=CONNECTIONS, wait_s=WAIT_S)
        sql = resources.files("notify_sse.store.postgres") / "sql"
        self._add, self._undo, self._changes = (
            (sql / f"revocation_{name}.sql").read_text("utf-8") for name in ("add", "undo", "changes")
        )

    async def close(self) -> None:
        await self._pool.close()

    async def note(self, change: Change) -> None:
        await self._pool.run(lambda connection: connection.execute(NOTE, *_noted(change)))

    async def audit(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        rows = await self._fetch(AUDIT, MAX_ID if before is None else before, limit)
        return [
            AuditRecord(
                id=row["id"],
                at_ms=row["at_ms"],
                who=row["who"].decode(),
                address=row["address"],
                action=row["action"],
                target=row["target"].decode(),
                details=row["details"],
            )
            for row in rows
        ]

    async def revoke(self, revocation: NewRevocation, *, change: Change | None) -> RevocationRecord:
        rows = await self._fetch(
            self._add,
            *(_noted(change) if change else (None, "", "", b"", b"")),
            revocation.kind,
            stored_text(revocation.value),
            revocation.revoked_ms,
            revocation.until_ms,
            stored_text(revocation.reason),
            stored_text(revocation.who),
        )
        if not rows:
            raise StoreUnavailable("the revocations have no head: the database was emptied")
        return _record(rows[0])

    async def undo(self, revocation_id: int, *, change: Change) -> RevocationRecord | None:
        if not 0 < revocation_id <= MAX_ID:
            return None
        rows = await self._fetch(self._undo, *_noted(change), revocation_id, UNDONE_KEPT_S * 1000)
        return _record(rows[0]) if rows else None

    async def revocations(
        self, kinds: Collection[RevokedKind], *, before: int | None, limit: int
    ) -> list[RevocationRecord]:
        rows = await self._fetch(IN_FORCE, MAX_ID if before is None else before, list(kinds), limit)
        return [_record(row) for row in rows]

    async def revocation_changes(self, after: int, *, limit: int) -> RevocationChanges:
        rows = await self._fetch(self._changes, after, limit)
        if not rows:
            raise StoreUnavailable("the revocations have no head: the database was emptied")
        changed = [row for row in rows if row["version"] is not None]
        version = changed[-1]["version"] if changed else after
        return RevocationChanges(tuple(_record(row) for row in changed), version, rows[0]["newest"])

    async def issue_ticket(self, ticket_hash: bytes, granted: bytes, *, ttl_s: float) -> None:
        await self._pool.run(lambda connection: connection.execute(ISSUE, ticket_hash, granted, int(ttl_s * 1000)))

    async def redeem_ticket(self, ticket_hash: bytes) -> bytes | None:
        rows = await self._fetch(REDEEM, ticket_hash)
        granted: bytes | None = rows[0]["granted"] if rows and rows[0]["good"] else None
        return granted

    async def forget(self, *, revoked_before_ms: int | None, limit: int) -> int:
        forgotten = await self._delete(FORGET_TICKETS, limit) + await self._delete(FORGET_OVER, limit)
        if revoked_before_ms is not None:
            forgotten += await self._delete(FORGET_OLD, limit, revoked_before_ms)
        return forgotten

    async def _fetch(self, statement: str, *values: Any) -> Sequence[Any]:
        rows: Sequence[Any] = await self._pool.run(lambda connection: connection.fetch(statement, *values))
        return rows

    async def _delete(self, statement: str, *values: Any) -> int:
        done = await self._pool.run(lambda connection: connection.execute(statement, *values))
        return int(done.rpartition(" ")[2])


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
        kind=row["kind"],
        value=row["value"].decode(),
        revoked_ms=row["revoked_ms"],
        until_ms=row["until_ms"],
        reason=row["reason"].decode(),
        who=row["who"].decode(),
        id=row["id"],
        undone=row["undone"],
    )
