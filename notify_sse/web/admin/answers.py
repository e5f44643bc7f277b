"""What the admin routes answer, as structs. The OpenAPI document describes these same structs."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from notify_sse.core.access import AuditRecord, RevocationRecord

Details = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
"""A JSON object, as it lies in the database."""
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class AuditItem(msgspec.Struct, frozen=True):
    """One change: when, by whom, from which address, what, done to what. Never content."""

    id: int
    at: Time
    who: str
    address: str
    action: str
    target: str
    details: Details

    @classmethod
    def of(cls, record: AuditRecord) -> "AuditItem":
        """As the audit log has it."""
        return cls(
            record.id,
            time_of(record.at_ms),
            record.who,
            record.address,
            record.action,
            record.target,
            Raw(record.details),
        )


class RevocationItem(msgspec.Struct, frozen=True):
    """A revocation in force, of a `sub` or a `jti`: when and by whom it was made, and why."""

    id: int
    at: Time
    who: str
    reason: str
    sub: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET

    @classmethod
    def of(cls, record: RevocationRecord) -> "RevocationItem":
        """As the database has it."""
        return cls(
            record.id,
            time_of(record.revoked_ms),
            record.who,
            record.reason,
            sub=record.value if record.kind == "sub" else UNSET,
            jti=record.value if record.kind == "jti" else UNSET,
        )


class RevocationPage(msgspec.Struct, frozen=True):
    """Revocations, the newest first. With `more`, `before` the last id reads on."""

    items: tuple[RevocationItem, ...]
    more: bool


class AuditPage(msgspec.Struct, frozen=True):
    """Changes, the newest first. With `more`, `before` the last id reads on."""

    items: tuple[AuditItem, ...]
    more: bool


class Erased(msgspec.Struct, frozen=True):
    """How many notifications of the recipient were erased. `cursor`: everything up to it."""

    recipient_id: str
    erased: int
    cursor: str


def time_of(unix_ms: int) -> str:
    """RFC 3339, in UTC, with milliseconds."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
