"""What the service makes of a token: by its keys and rules, and by what is revoked in its database.

For `token --check` and `doctor --token`. Nothing of the token is sent anywhere, or shown.
"""

import asyncio
from typing import Final

from notify_sse.auth import Grant, check_token
from notify_sse.auth.revocations import Revocations
from notify_sse.auth.revoked import Revoked
from notify_sse.config import Settings
from notify_sse.errors import NotifyError, TokenRefused
from notify_sse.store import has_log, open_access_records

DATABASE_WAIT_S: Final = 5.0


async def examined(settings: Settings, token: str) -> tuple[Grant, str]:
    """What `token` grants, and what cannot be said of it ("": nothing), which is so where the database is away.

    Raises `TokenRefused`, which says why, and `BadConfiguration`.
    """
    grant = await check_token(settings, token)
    revoked, unknown = Revoked(), ""
    try:
        async with asyncio.timeout(DATABASE_WAIT_S):
            if await has_log(settings.database_url):
                await _read(revoked, settings.database_url)
    except (NotifyError, TimeoutError) as exc:
        unknown = f"whether the token was taken back is not known: {exc or 'the database does not answer'}"
    if revoked.refuses(grant):
        raise TokenRefused("revoked", "it was taken back")
    return grant, unknown


async def _read(revoked: Revoked, database_url: str) -> None:
    """Every revocation in force."""
    records = open_access_records(database_url)
    try:
        await Revocations(records, revoked, end_here=lambda _: None, tell_others=None).read()
    finally:
        await records.close()
