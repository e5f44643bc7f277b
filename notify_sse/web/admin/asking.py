"""Who asks for an admin route, and how what they change gets into the audit log.

Every admin route begins with `administrator(request)`, and every one that changes something notes it: in the
transaction of the change where the database does it, else before it. So no change goes unnoted; a note without its
change is one that failed.
"""

import asyncio
from typing import Any, Final

import msgspec
from starlette.requests import Request

from notify_sse.auth import ADMIN, PUBLISHING
from notify_sse.core.access import Change
from notify_sse.errors import Forbidden, StoreUnavailable
from notify_sse.web.service import Service

START_S: Final = 3.0


class Administrator(msgspec.Struct, frozen=True):
    """`who` is the subject of the token, `address` where the request came from."""

    who: str
    address: str
    service: Service

    def change(self, action: str, target: str = "", **details: Any) -> Change:
        """What this administrator changes: `action` done to `target`. Neither content nor a token in `details`."""
        return Change(who=self.who, address=self.address, action=action, target=target, details=details)

    async def note(self, action: str, target: str = "", **details: Any) -> None:
        """Note a change before it is made. Raises `StoreUnavailable`: then it is not to be made."""
        await self.service.records.note(self.change(action, target, **details))


async def administrator(request: Request) -> Administrator:
    """Who asks. Raises `Unauthorized`, and `Forbidden` for a token without the admin scope.

    The token comes in the header only: no link and no page of another site can make a browser send it.
    """
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=PUBLISHING)
    await _until_known(service)
    service.verifier.confirm(grant)
    if ADMIN not in grant.scopes:
        raise Forbidden(f"the token lacks the scope {ADMIN}")
    return Administrator(grant.subject, request.client.host if request.client else "", service)


async def _until_known(service: Service) -> None:
    """A process that starts may not know yet who is revoked. Raises `StoreUnavailable` when that takes long."""
    if service.revocations.known:
        return
    try:
        async with asyncio.timeout(START_S):
            await service.revocations.when_known()
    except TimeoutError:
        raise StoreUnavailable("it is not known yet which tokens are revoked") from None
