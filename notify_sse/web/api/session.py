"""`POST` and `DELETE /notifications/session`: a bearer token for a cookie that JavaScript cannot read, and its end."""

import time
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import PUBLISHING
from notify_sse.errors import BadRequest, Unauthorized
from notify_sse.web.api import recall
from notify_sse.web.http.answers import Session, answer
from notify_sse.web.http.root import root_of
from notify_sse.web.service import Service

PATH: Final = "/notifications"
HOST_PREFIX: Final = "__Host-"
"""Browsers take a cookie of such a name only with the path `/`, and only from the very host that it is for."""
MAX_COOKIE_BYTES: Final = 4096
"""Of name and value together (RFC 6265bis, 5.6)."""


async def session(request: Request) -> Response:
    """POST begins, DELETE ends. One route, so that `Allow` names both.

    A notification may be called `session`: with its recipient or topic, DELETE recalls that one.
    """
    if request.method == "DELETE" and recall.is_recall(request):
        return await recall.recall(request)
    return await (begin if request.method == "POST" else end)(request)


async def begin(request: Request) -> Response:
    """Sets the session cookie to the request's bearer token, until that expires."""
    verifier = _service(request).verifier
    # The header only: a link must not be able to begin a session for somebody else.
    grant = await verifier.authenticate(request.scope, ways=PUBLISHING)
    found = verifier.found(request.scope)
    assert found
    if len(_service(request).settings.session_cookie) + len(found.token) > MAX_COOKIE_BYTES:
        raise BadRequest("token", f"is over {MAX_COOKIE_BYTES} bytes as a cookie, which browsers do not keep")
    left_s = max(0, int(grant.expires_at - time.time()))
    response = answer(Session(grant.subject, left_s))
    _set(request, response, found.token, left_s)
    return response


async def end(request: Request) -> Response:
    """Removes the cookie, and revokes its token in every process: its streams close as `revoked`.

    Answers 204 whether or not there was a session.
    """
    try:
        grant = await _service(request).verifier.authenticate(request.scope)
    except Unauthorized:
        pass
    else:
        _service(request).revocations.sign_out(grant)
    response = Response(status_code=204)
    _set(request, response, "", 0)
    return response


def _set(request: Request, response: Response, token: str, max_age_s: int) -> None:
    name = _service(request).settings.session_cookie
    path = "/" if name.startswith(HOST_PREFIX) else root_of(request.scope) + PATH
    response.set_cookie(name, token, max_age=max_age_s, path=path, secure=True, httponly=True, samesite="strict")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
