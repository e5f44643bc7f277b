"""Logs each request as one debug record, without its query, which may hold a token. Streams are in the metrics."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

QUIET = ("/healthz", "/readyz", "/metrics", "/notifications/stream", "/notifications/ws")


class AccessLog:
    """Logs method, path, client, status and duration."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET or not logger.isEnabledFor(logging.DEBUG):
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            logger.debug(
                "request",
                extra={
                    "action": "request",
                    "method": scope["method"],
                    "path": scope["path"],
                    "client": scope["client"][0] if scope["client"] else "",
                    "status": status,
                    "duration_ms": round((time.monotonic() - started) * 1000, 1),
                },
            )
