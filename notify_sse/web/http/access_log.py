"""Each request: counted by route and status, given an id, and logged without its query, which may hold a token.

Every request is a debug record; one that is refused is an INFO record too, at a bounded rate. Streams pass by: nothing
may be kept for as long as they last. `web/streams` counts them.
"""

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notify_sse.errors import NotifyError
from notify_sse.telemetry.bounded import BoundedLogger
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.http.request_origin import REQUEST_ID_HEADER, client_address, request_id

logger = logging.getLogger(__name__)

PUBLISH_PATH: Final = "/notifications"
STREAM_PATH: Final = "/notifications/stream"
WEBSOCKET_PATH: Final = "/notifications/ws"
QUIET: Final = ("/healthz", "/readyz", "/metrics", STREAM_PATH, WEBSOCKET_PATH)
"""Asked all the time; or, for streams, recorded by the registry. A refusal is recorded nevertheless."""
REFUSED: Final = 400
OTHER: Final = "other"
"""The route of a request to a path that is none of ours."""
_ERROR: Final = "notify_sse.error"


def is_stream(scope: Scope) -> bool:
    """Whether an HTTP request is one for a stream."""
    return scope["path"] == STREAM_PATH and scope["method"] in ("GET", "HEAD")


def note_error(scope: Scope, exc: NotifyError) -> None:
    """The request of `scope` is refused with `exc`: its record will say so."""
    # Not the exception: the frames of its traceback hold `scope`, and so the body, until the collector comes by.
    scope[_ERROR] = exc.code


class Requests:
    """What is noted of requests, for all who answer them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._refusals = BoundedLogger(logger, "requests refused", action="request_refused")

    def note(self, scope: Scope, *, route: str, status: int, duration_s: float) -> None:
        """A request was answered."""
        self._metrics.answered(route, status)
        code: str | None = scope.get(_ERROR)
        if code or (status >= REFUSED and route not in QUIET):
            code = code or f"http_{status}"
            self._refusals.note(f"{route} {code}", route=route, status=status, code=code, **_who(scope))
        if logger.isEnabledFor(logging.DEBUG) and route not in QUIET:
            extra = {
                "action": "request",
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "duration_ms": round(duration_s * 1000, 1),
                **_who(scope),
            }
            logger.debug("request", extra=extra)

    def note_unread(self, address: str, status: int) -> None:
        """Somebody was refused before there was a whole request to read: it has neither a route nor an id."""
        self._metrics.answered(OTHER, status)
        code = f"http_{status}"
        self._refusals.note(f"{OTHER} {code}", route=OTHER, status=status, code=code, address=address)

    def note_cut_off(self, address: str, limit: str) -> None:
        """A connection was cut off without a word, because it is over `limit` and too many are being refused."""
        self._refusals.note(f"cut off {limit}", route=OTHER, status=0, code="limited", address=address)


def _who(scope: Scope) -> dict[str, str]:
    return {"address": client_address(scope), "request_id": request_id(scope)}


class AccessLog:
    """Notes every request, and gives its id back in `X-Request-ID`."""

    def __init__(self, app: ASGIApp, *, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (REQUEST_ID_HEADER, request_id(scope).encode())]
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = scope.get("route")
            path = OTHER if route is None else route.path
            self._requests.note(scope, route=path, status=status, duration_s=time.monotonic() - started)
