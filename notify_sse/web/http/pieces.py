"""A large answer, written in pieces as its client takes them, within a budget and a time.

Whole, it would lie in the server's memory for as long as a client pleases that asks and does not read.
"""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PIECE_BYTES: Final = 65_536
"""An answer up to this size is written at once."""
SLOWEST_BYTES_PER_S: Final = 32_768
"""Who takes a whole answer more slowly than this, beyond STALL_S, is cut off."""
PRINCIPAL: Final = "notify_sse.principal"
"""In an ASGI scope: whose answer it is, for the budget."""


class InPieces(Response):
    """A response with a large `body`. It raises `Limited` or `Overloaded` before its start when there is no budget."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. When the client takes it too slowly, end without the rest: the server then closes the connection."""
        del receive
        service = scope["app"].state.service
        body, self.body = memoryview(self.body), b""
        within_s = service.settings.stall_s + len(body) / SLOWEST_BYTES_PER_S
        with service.limits.answers.share(scope.get(PRINCIPAL, "")) as share:
            share.take(len(body))
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            try:
                async with asyncio.timeout(within_s):
                    for at in range(0, len(body), PIECE_BYTES):
                        piece = body[at : at + PIECE_BYTES].tobytes()
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b""})
            except TimeoutError:
                service.metrics.limited.labels("answer_bytes").inc()
