"""JSON answers. Never cached: every answer is for one recipient."""

from typing import Any

import msgspec
from starlette.responses import Response


def answer(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`document` as JSON."""
    return Response(
        msgspec.json.encode(document), status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )
