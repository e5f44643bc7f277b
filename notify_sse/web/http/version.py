"""HTTP/1.1 only: HTTP/2 is spoken by the proxy in front.

Hypercorn takes an offer of h2c before the app can say no, and takes a connection preface for HTTP/2. It has no setting
against either, and its HTTP/2 holds no sender back (`VersionNotSupported`).
"""

import h11
from hypercorn import protocol
from hypercorn.protocol.h11 import H11Protocol
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import VersionNotSupported
from notify_sse.web.http.problems import refusal


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1, which stays that."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Where Hypercorn changes to HTTP/2. An offer may be ignored (RFC 9110, 7.8); a preface is a request to us."""


def keep_to_http1() -> None:
    """Have Hypercorn serve its connections with `Http1`. Idempotent."""
    setattr(protocol, H11Protocol.__name__, Http1)  # a name that the module does not export


class Http1Only:
    """ASGI: refuses the preface of an HTTP/2 connection (RFC 9113, 3.4): it reads like a request of the method PRI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "PRI":
            response = refusal(VersionNotSupported("speak HTTP/1.1: let the proxy in front speak HTTP/2"))
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)
