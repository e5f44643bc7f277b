"""`POST /notifications/ticket`: a ticket in place of the token, for a URL."""

import time

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import READ
from notify_sse.errors import Forbidden
from notify_sse.web.http.answers import Ticket, answer
from notify_sse.web.service import Service


async def ticket(request: Request) -> Response:
    """201 with a ticket that opens one stream, or reads one page. The token comes in the header or the cookie."""
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope)
    if READ not in grant.scopes:
        raise Forbidden(f"the token lacks the scope {READ}")
    service.limits.rates.request(grant.subject)
    issued, expires_in_s = await service.tickets.issue(grant, now=time.time())
    return answer(Ticket(issued, expires_in_s), status=201)
