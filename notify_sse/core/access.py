"""What the database keeps of who may ask: the `AccessRecords` port, with audit log, revocations and tickets.

Beside the `Store`, which keeps the log: an adapter has its own connections, so nothing here waits for an append or a
replay. Pure, like `ports`: every method raises `StoreUnavailable` when the database cannot be reached or cannot write.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, Protocol

import msgspec

UNDONE_KEPT_S: Final = 86_400
"""For how long a revocation that was taken back is still there to be heard of."""

RevokedKind = Literal["sub", "jti", "token"]
"""What a revocation names: a subject, one token by its `jti`, or one token by its id (the end of a session)."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody changes, for the audit log.

    `who` is the subject of an administrator's token, or `cli:` and the user of the machine; `address` where they asked
    from. `action` is a name such as `revocation.create`; `target` what it was done to, "" for the service as a whole.
    `details` are few and small, and never the content of a notification nor a token.
    """

    who: str
    address: str
    action: str
    target: str = ""
    details: Mapping[str, Any] = {}


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A change as the audit log has it. `details` is JSON; `at_ms` is Unix time by the database's clock."""

    id: int
    at_ms: int
    who: str
    address: str
    action: str
    target: str
    details: bytes


class NewRevocation(msgspec.Struct, frozen=True, kw_only=True):
    """A revocation to be made.

    `revoked_ms` (Unix time): of a `sub`, tokens issued up to then are revoked. `until_ms`: when the last of the tokens
    has ended; 0 where nobody knows. `who` revokes.
    """

    kind: RevokedKind
    value: str
    revoked_ms: int
    until_ms: int = 0
    reason: str = ""
    who: str = ""


class RevocationRecord(NewRevocation, frozen=True, kw_only=True):
    """A revocation as the database has it. One that was taken back is `undone`."""

    id: int
    undone: bool = False


class RevocationChanges(msgspec.Struct, frozen=True):
    """What changed after a version: `records` in the order of their change, and the `version` with which the reader
    goes on. `newest` is the newest version there is; lower than the one asked for, it is another database, or an older
    copy.
    """

    records: tuple[RevocationRecord, ...]
    version: int
    newest: int


class AccessRecords(Protocol):
    """The audit log, the revocations and the tickets. Use them once the `Store` of the same database is open."""

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""

    async def note(self, change: Change) -> None:
        """Write `change` into the audit log. Returns after the commit."""

    async def audit(self, *, before: int | None, limit: int) -> list[AuditRecord]:
        """The newest records with an id below `before`, the newest first."""

    async def revoke(self, revocation: NewRevocation, *, change: Change | None) -> RevocationRecord:
        """Keep `revocation`, and note `change`, in one transaction. Returns after the commit.

        After `StoreUnavailable`, or when cancelled, the outcome is unknown; again does no harm.
        """

    async def undo(self, revocation_id: int, *, change: Change) -> RevocationRecord | None:
        """Take a revocation back, and note `change`, in one transaction. None, and nothing noted: there is none."""

    async def revocations(
        self, kinds: Collection[RevokedKind], *, before: int | None, limit: int
    ) -> list[RevocationRecord]:
        """Those in force with an id below `before`, the newest first."""

    async def revocation_changes(self, after: int, *, limit: int) -> RevocationChanges:
        """The next `limit` changes after the version `after`, undone ones too. Commit order is version order."""

    async def issue_ticket(self, ticket_hash: bytes, granted: bytes, *, ttl_s: float) -> None:
        """Keep what a ticket grants for `ttl_s` seconds of the database's clock. Returns after the commit."""

    async def redeem_ticket(self, ticket_hash: bytes) -> bytes | None:
        """What the ticket grants, the first time in its life that it is asked for; else None. Of many callers at once,
        in whichever processes, one gets it.
        """

    async def forget(self, *, revoked_before_ms: int | None, limit: int) -> int:
        """Remove at most `limit` of each of what is of no more use, by the database's clock. Returns how many rows.

        These are: tickets that have expired; revocations that are over, or were undone `UNDONE_KEPT_S` ago; and those
        of `revoked_before_ms` or before, when that is given: when no token can live that was issued by then.
        """
