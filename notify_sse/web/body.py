"""Reading a request's body: bounded in size and time, since Hypercorn gives it no deadline."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from notify_sse.web.problems import BadRequest, BodyTooLarge

BODY_S: Final = 15.0
DISCARDED_BYTES: Final = 33_554_432
"""How much beyond the limit is read and thrown away: refused while it still sends, a client would see a reset
connection in place of the answer."""


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The whole body. Raises `BodyTooLarge`, or `BadRequest` when it does not come in time or in full."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > max_bytes + DISCARDED_BYTES:
        raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > max_bytes + DISCARDED_BYTES:
                    break
                if size <= max_bytes:
                    parts.append(part)
    except (TimeoutError, ClientDisconnect):
        raise BadRequest("body", "did not arrive in time") from None
    if size > max_bytes:
        raise BodyTooLarge(f"at most {max_bytes} bytes are allowed")
    return b"".join(parts)
