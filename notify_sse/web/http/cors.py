"""Which origins may read answers: an exact list, never a reflection of what came (the Fetch standard, 3.2)."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope

EXPOSED: Final = ("Retry-After", "WWW-Authenticate", "Deprecation", "Sunset", "Link", "Notify-Sse-Cursor")
"""What a page may read of an answer's headers."""


VARY: Final = (b"vary", b"Origin")
"""What every answer has, also one to a request that names no origin."""


def middleware(origins: Sequence[str]) -> Middleware:
    """CORS for every route but the stream, which adds `allow_origin` itself to stay lean."""
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Last-Event-ID", "Cache-Control"),
        allow_credentials=True,
        expose_headers=EXPOSED,
    )


def allow_origin(scope: Scope, origins: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The CORS headers of an answer to the request with this scope."""
    if not origins:
        return []
    headers = [VARY]
    for name, value in scope["headers"]:
        if name == b"origin" and value.decode("latin-1") in origins:
            headers += [
                (b"access-control-allow-origin", value),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
            ]
    return headers
