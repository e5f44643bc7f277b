"""HTTP/1.1 only: HTTP/2 is spoken by the proxy in front. And its heads have to come in time.

Hypercorn takes an offer of h2c before the app can say no, and takes a connection preface for HTTP/2. It has no setting
against either, and its HTTP/2 holds no sender back (`VersionNotSupported`).
"""

import asyncio
from functools import partial
from typing import Any

import h11
from hypercorn import protocol
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import EndBody
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import H11Protocol
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import VersionNotSupported
from notify_sse.web.door.patience import Patience
from notify_sse.web.http.problems import refusal


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1, which stays that. `patience` bounds the time from the first byte of a head to its last:
    Hypercorn itself waits for a head as long as it keeps an idle connection.
    """

    def __init__(self, patience: "Patience[Http1]", *args: Any) -> None:
        super().__init__(*args)
        self._patience = patience
        self._waits_for_head = False
        self._giving_up: asyncio.Task[None] | None = None

    async def handle(self, event: Event) -> None:
        """Take what came in, or the end of the connection."""
        await super().handle(event)
        waits = isinstance(event, RawData) and self._is_within_head()
        if waits and not self._waits_for_head:
            self._patience.begin(self)
        elif not waits:
            self._patience.end(self)
        self._waits_for_head = waits
        if isinstance(event, Closed):
            # Else Hypercorn keeps the socket of a client that has gone as long as that of one that is idle.
            await self.send(Updated(idle=False))

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer. A refused upgrade ends its connection: Hypercorn would keep that for ever."""
        await super().stream_send(event)
        if isinstance(event, EndBody) and not isinstance(self.connection, h11.Connection):
            await self.send(Closed())

    def give_up(self) -> None:
        """Refuse the request: its head is not complete, and will not be waited for."""
        self._giving_up = asyncio.get_running_loop().create_task(self._refuse())

    async def _refuse(self) -> None:
        await self._send_error_response(408)
        await self.send(Closed())

    def _is_within_head(self) -> bool:
        connection = self.connection
        if not isinstance(connection, h11.Connection) or connection.their_state is not h11.IDLE:
            return False
        return bool(connection.trailing_data[0])

    async def _check_protocol(self, event: h11.Request) -> None:
        """Where Hypercorn changes to HTTP/2. An offer may be ignored (RFC 9110, 7.8); a preface is a request to us."""


def keep_to_http1(*, request_timeout_s: float) -> None:
    """Have Hypercorn serve its connections with `Http1`; 0: a head may take for ever."""
    patience: Patience[Http1] = Patience(request_timeout_s, Http1.give_up)
    # A name that the module does not export.
    setattr(protocol, H11Protocol.__name__, partial(Http1, patience))


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
