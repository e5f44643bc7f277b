"""Tickets: for those who allow no token in a URL. One is good once, for half a minute, in every process.

The database has the hash of a ticket and what its token granted, not the token. Whoever opens a stream with a ticket
holds what its token grants, until that ends or is revoked.
"""

import asyncio
import hashlib
import re
import secrets
from typing import Final

import msgspec

from notify_sse.auth.grant import Grant
from notify_sse.core.access import AccessRecords
from notify_sse.errors import Overloaded, StoreUnavailable, TokenRefused

TTL_S: Final = 30
BYTES: Final = 32
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Tickets:
    """Issues and redeems them."""

    def __init__(self, records: AccessRecords) -> None:
        self._records = records

    async def issue(self, grant: Grant, *, now: float) -> tuple[str, int]:
        """A ticket for `grant`, and for how many seconds it is good. Raises `StoreUnavailable`."""
        ticket = secrets.token_urlsafe(BYTES)
        ttl_s = max(0.0, min(TTL_S, grant.expires_at - now))
        await self._records.issue_ticket(_hash(ticket), msgspec.json.encode(grant), ttl_s=ttl_s)
        return ticket, int(ttl_s)

    async def redeem(self, ticket: str) -> Grant:
        """What `ticket` grants; it is used up. Raises `TokenRefused`, and `Overloaded` while the database is away: then
        it is not used up.
        """
        if not _SHAPE.fullmatch(ticket):
            raise TokenRefused("ticket", "not a ticket")
        await asyncio.sleep(0)  # it may run without a task so far (`eager`), and the database needs one
        try:
            granted = await self._records.redeem_ticket(_hash(ticket))
        except StoreUnavailable:
            raise Overloaded("tickets cannot be looked up now") from None
        if granted is None:
            raise TokenRefused("ticket", "used, expired, or never issued")
        return msgspec.json.decode(granted, type=Grant)


def _hash(ticket: str) -> bytes:
    """It has 256 random bits: no salt and no slow hash would make it harder to guess."""
    return hashlib.sha256(ticket.encode()).digest()
