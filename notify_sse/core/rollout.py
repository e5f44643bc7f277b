"""The rollout: which recipients get streams already. The others poll.

A hash of the recipient is its place on a scale from 0 to 100 %, for ever and in every process. So the same recipients
stay enabled, and a higher percentage only adds to them. Pure, like `ports`; `RolloutRecords` is a port of its own.
"""

import hashlib
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

STEPS: Final = 10_000
"""Places on the scale: a hundredth of a percent."""
ALL: Final = 100.0
_SALT: Final = b"notify-sse rollout"

Recipients = tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...]


class RolloutChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody set while the service runs. What is unset is left to the settings."""

    percent: Annotated[float, Meta(ge=0, le=100)] | UnsetType = UNSET
    allow: Recipients | UnsetType = UNSET
    deny: Recipients | UnsetType = UNSET


class Rollout(msgspec.Struct, frozen=True):
    """`percent` of all recipients, those in `allow` besides, those in `deny` never."""

    percent: float = 100.0
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()

    def enables(self, recipient_id: str) -> bool:
        """Whether `recipient_id` gets streams."""
        if recipient_id in self.deny:
            return False
        return self.percent >= ALL or recipient_id in self.allow or place(recipient_id) < self.percent * STEPS / ALL

    def changed(self, change: RolloutChange) -> "Rollout":
        """This one, with what `change` sets in place of its own."""
        return Rollout(
            self.percent if change.percent is UNSET else change.percent,
            self.allow if change.allow is UNSET else frozenset(change.allow),
            self.deny if change.deny is UNSET else frozenset(change.deny),
        )


def place(recipient_id: str) -> int:
    """Where a recipient is on the scale, from 0 to below `STEPS`. Never changes: it decides who has streams now."""
    digest = hashlib.blake2b(recipient_id.encode(errors="surrogatepass"), digest_size=8, key=_SALT).digest()
    return int.from_bytes(digest) % STEPS


class RolloutRecords(Protocol):
    """What was set while the service runs, in the database. Use it once the `Store` of the same database is open.

    Every method raises `StoreUnavailable` when the database cannot be reached or cannot write.
    """

    async def read(self) -> RolloutChange:
        """What is set now; nothing, when everything is left to the settings."""

    async def write(self, change: RolloutChange) -> None:
        """Set `change`, in place of whatever was set. Returns after the commit."""

    async def close(self) -> None:
        """Release every connection. Idempotent; never raises."""
