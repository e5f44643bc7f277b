"""Reads request bodies, bounded in size and in time (Hypercorn sets no deadline), and always to their end."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notify_sse.errors import BadRequest, BodyTooLarge

BODY_S: Final = 15.0
DISCARDED_BYTES: Final = 33_554_432
"""Of a request that is refused, at most so much is read and thrown away."""


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The whole body. Raises `BodyTooLarge`, or `BadRequest` when it does not come in time or in full."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > max_bytes:
        raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
                parts.append(part)
    except (TimeoutError, ClientDisconnect):
        raise BadRequest("body", "did not arrive in time") from None
    return b"".join(parts)


class ReadToTheEnd:
    """ASGI: before an answer ends, reads (and throws away) what its request still sends, within limits.

    Hypercorn closes a connection with an unread request after the answer. What the client sent meanwhile then makes the
    kernel reset the connection, and the client sees that in place of its 401 or 413.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        read = False

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read = read or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                with suppress(TimeoutError):
                    async with asyncio.timeout(BODY_S):
                        await discard()
            await send(message)

        async def discard() -> None:
            left = DISCARDED_BYTES
            while not read and left > 0:
                left -= len((await receiving()).get("body", b""))

        await self._app(scope, receiving, sending)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
