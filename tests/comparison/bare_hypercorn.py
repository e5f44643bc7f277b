"""Hypercorn with nothing behind it but a small app: how much of a cost is the server's."""

from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from notify_sse.server.listening import BACKLOG


async def serve_app(app: Any, port: int) -> None:
    """Serve the ASGI `app` on that loopback port, until the process is told to end."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.backlog = BACKLOG
    config.accesslog = config.errorlog = None
    config.keep_alive_max_requests = 10**9
    await serve(app, config)
