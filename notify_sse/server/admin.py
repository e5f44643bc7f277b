"""The admin server of one process: a second one on the same loop, with `/admin` and `/metrics` and nothing else.

It outlives the main one: an operator can look on while the process drains.
"""

import asyncio
from typing import Any, cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from starlette.types import ASGIApp


class AdminServer:
    """Serves `app` with `config`, which is bound to the admin socket: the one of `listening_number`."""

    def __init__(self, app: ASGIApp, config: Config, *, listening_number: int) -> None:
        self.listening_number = listening_number
        self._app = app
        self._config = config
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            await hypercorn_serve(cast(Any, self._app), self._config, shutdown_trigger=self._stop.wait, mode="asgi")
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        """Stop serving; returns when that is done."""
        self._stop.set()
        await self._stopped.wait()
