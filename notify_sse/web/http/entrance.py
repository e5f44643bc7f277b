"""ASGI, the outermost layer: whose request it is, under which path it came, and whether its connection is one too many.

From here on `scope["client"]` is the client, be it the peer of the socket or whom a trusted proxy names.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import Limited
from notify_sse.web.door.arrivals import Arrivals
from notify_sse.web.door.exchange import EXTENSION
from notify_sse.web.http.access_log import OTHER, Requests, note_error
from notify_sse.web.http.cors import allow_origin
from notify_sse.web.http.problems import refusal
from notify_sse.web.http.request_origin import REQUEST_ID_HEADER, request_id
from notify_sse.web.http.root import Roots
from notify_sse.web.limits.address import Proxies, counted_as
from notify_sse.web.limits.rates import CONNECTION_RETRY_S, SCOPE_LIMIT

HTTP_RESPONSE: Final = "websocket.http.response"
"""The ASGI extension by which a handshake is refused with an answer of our own."""

PROBES: Final = ("/healthz", "/readyz")
"""Answered on whatever connection they come, as long as one can be held for a refusal: a service that has all the
clients that it takes is well, and must not be restarted for it."""


class Entrance:
    """`stream_path` refuses by itself, in the form that EventSource needs; every other path with a problem document,
    which is noted like any answer. `paths` are those that are named in that.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        requests: Requests,
        paths: frozenset[str],
        arrivals: Arrivals,
        proxies: Proxies,
        root_path: str,
        stream_path: str,
        cors_origins: Sequence[str],
    ) -> None:
        self._app = app
        self._requests = requests
        self._paths = paths
        self._roots = Roots(root_path, proxies)
        self._arrivals = arrivals
        self._proxies = proxies
        self._stream_path = stream_path
        self._cors_origins = cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self._roots.note(scope)
        client, server = scope["client"], scope["server"]
        limit = self._arrivals.limit_of(client, server)
        lasting = self._lasting(scope)
        if not (client and self._proxies.trusts(client[0])):
            with lasting:
                await self._admit(limit, scope, receive, send)
            return
        scope["client"] = named = self._proxies.client_of(scope)
        # What a proxy asks for itself, such as whether we are well, counts for nobody.
        address = counted_as(named) if self._proxies.name_somebody(scope) else None
        limit = limit or self._arrivals.serve(client, server, address=address)
        try:
            with lasting:
                await self._admit(limit, scope, receive, send)
        finally:
            if EXTENSION not in scope.get("extensions", {}):  # what the door serves is over with its socket
                self._arrivals.serve(client, server, address=None)

    async def _admit(self, limit: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        if limit is not None and scope["path"] not in PROBES:
            scope[SCOPE_LIMIT] = limit
            if scope["type"] == "websocket" or scope["path"] != self._stream_path:
                await self._refuse(limit, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _lasting(self, scope: Scope) -> AbstractContextManager[None]:
        """Around a stream that another server than the door has."""
        if scope["path"] != self._stream_path or EXTENSION in scope.get("extensions", {}):
            return nullcontext()
        return self._arrivals.ends_with(scope["client"], scope["server"])

    async def _refuse(self, limit: str, scope: Scope, receive: Receive, send: Send) -> None:
        began, exc = time.monotonic(), Limited(limit, retry_after_s=CONNECTION_RETRY_S)
        response = refusal(exc)
        response.headers["Connection"] = "close"
        response.raw_headers.append((REQUEST_ID_HEADER, request_id(scope).encode()))
        response.raw_headers += allow_origin(scope, self._cors_origins)
        if scope["type"] == "websocket":
            await refuse_websocket(response, scope, send)
        else:
            await response(scope, receive, send)
        note_error(scope, exc)
        route = scope["path"] if scope["path"] in self._paths else OTHER
        self._requests.note(scope, route=route, status=response.status_code, duration_s=time.monotonic() - began)


async def refuse_websocket(response: Response, scope: Scope, send: Send) -> None:
    """Answer a handshake with `response`, or with 403 from a server that can give no other answer."""
    if HTTP_RESPONSE not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    await send({"type": f"{HTTP_RESPONSE}.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": f"{HTTP_RESPONSE}.body", "body": response.body})
