"""Reads request bodies, bounded in size and in time (Hypercorn sets no deadline), and always to their end."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from notify_sse.errors import BadRequest, BodyTooLarge, TooSlow
from notify_sse.web.limits.budget import Share

IN_THREAD_BYTES: Final = 1_048_576
"""From this size on, `bytes.join` lets other threads run."""
MAX_PARTS: Final = 4096
BYTES_A_PART: Final = 64
"""A body may come in MAX_PARTS parts, and one more for each BYTES_A_PART: each part costs as much as some kilobytes."""
DISCARDED_BYTES: Final = 33_554_432
DISCARDED_PARTS: Final = 1024
"""Of a request that is refused, at most so much is read and thrown away."""


async def read_body(request: Request, *, max_bytes: int, share: Share | None = None) -> bytes:
    """The whole body. It has REQUEST_TIMEOUT_S to arrive. `share` holds its bytes, from the first part on.

    Raises what `share` does, `BodyTooLarge`, `TooSlow`, or `BadRequest` when the client goes before its end.
    """
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > max_bytes:
        raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
    within_s: float | None = request.app.state.service.settings.request_timeout_s or None
    parts, size = [], 0
    try:
        async with asyncio.timeout(within_s):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes:
                    raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
                if share is not None:
                    share.take(len(part))
                parts.append(part)
                if len(parts) > MAX_PARTS + size // BYTES_A_PART:
                    raise BadRequest("body", f"has over {MAX_PARTS} parts, with under {BYTES_A_PART} bytes in most")
    except TimeoutError:
        raise TooSlow(f"the body was not complete after {within_s:g} seconds") from None
    except ClientDisconnect:
        raise BadRequest("body", "is not complete") from None
    # A thread copies a large one, without the interpreter's lock: 8 MiB take milliseconds.
    return b"".join(parts) if size < IN_THREAD_BYTES else await asyncio.to_thread(b"".join, parts)


class ReadToTheEnd:
    """ASGI: before an answer ends, reads (and throws away) what its request still sends, within limits: `within_s` is
    the time for a body, from the start of the request; None: it may take for ever.

    Hypercorn closes a connection with an unread request after the answer. What the client sent meanwhile then makes the
    kernel reset the connection, and the client sees that in place of its 401 or 413.
    """

    def __init__(self, app: ASGIApp, *, within_s: float | None) -> None:
        self._app = app
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        read = False
        # From now on, whatever the app does: a body that was given up is not waited for once more.
        late_at = None if self._within_s is None else asyncio.get_running_loop().time() + self._within_s

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read = read or not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and not read:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(late_at):
                        await discard()
            await send(message)

        async def discard() -> None:
            left, parts = DISCARDED_BYTES, 0
            while not read and left > 0 and parts <= DISCARDED_PARTS + (DISCARDED_BYTES - left) // BYTES_A_PART:
                left, parts = left - len((await receiving()).get("body", b"")), parts + 1

        await self._app(scope, receiving, sending)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
