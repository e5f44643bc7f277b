"""Refusals as `application/problem+json` (RFC 9457), each with a stable `code`. The only place that maps our errors."""

import math
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.errors import (
    BadNotification,
    Forbidden,
    NotifyError,
    Overloaded,
    StoreRefused,
    StoreUnavailable,
    Unauthorized,
)

MEDIA_TYPE: Final = "application/problem+json"


class BadRequest(NotifyError):
    """A request that is not as the contract says; names the parameter."""

    code = "bad_request"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


class VersionNotSupported(NotifyError):
    """A stream over HTTP/2. Hypercorn's flow control there does not hold the sender back, so that a client which
    reads nothing would take memory without end.
    """

    code = "version_not_supported"


class BodyTooLarge(NotifyError):
    """A request body over the limit."""

    code = "body_too_large"


_STATUS: Final[dict[type[NotifyError], tuple[int, str]]] = {
    BadNotification: (400, "The notification breaks the contract"),
    BadRequest: (400, "The request breaks the contract"),
    Unauthorized: (401, "No valid token"),
    Forbidden: (403, "The token does not allow this"),
    BodyTooLarge: (413, "The body is too large"),
    StoreRefused: (422, "The database will not store this"),
    VersionNotSupported: (505, "This version of HTTP is not supported here"),
    Overloaded: (503, "Try again later"),
    StoreUnavailable: (503, "The log cannot be reached now"),
}


def problem(
    status: int, *, code: str, title: str, detail: str, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """A problem document. `members` are further fields of it."""
    document = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **members}
    answer = Response(msgspec.json.encode(document), status, {"Cache-Control": "no-store", **(headers or {})})
    answer.headers["Content-Type"] = MEDIA_TYPE
    return answer


def refusal(exc: NotifyError, **members: Any) -> Response:
    """The answer to a request that failed with `exc`."""
    status, title = _STATUS.get(type(exc), (500, "Internal error"))
    if isinstance(exc, BadNotification):
        if exc.reason == "unsupported_content_type":
            status = 415
        return problem(
            status, code=exc.code, title=title, detail=str(exc), field=exc.field, reason=exc.reason, **members
        )
    if isinstance(exc, BadRequest):
        members["field"] = exc.field
    return problem(status, code=exc.code, title=title, detail=str(exc), headers=_headers(exc), **members)


def _headers(exc: NotifyError) -> dict[str, str]:
    if isinstance(exc, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(exc, Overloaded):
        return {"Retry-After": str(math.ceil(exc.retry_after_s))}
    return {"Retry-After": "1"} if isinstance(exc, StoreUnavailable) else {}


async def on_notify_error(_: Request, exc: Exception) -> Response:
    """Starlette's handler for our own errors."""
    assert isinstance(exc, NotifyError)
    return refusal(exc)


async def on_http_exception(_: Request, exc: Exception) -> Response:
    """Starlette's handler for its own refusals (404, 405)."""
    assert isinstance(exc, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(exc.status_code, "http_error")
    headers = dict(exc.headers or {})
    return problem(exc.status_code, code=code, title=exc.detail, detail=exc.detail, headers=headers)


async def on_crash(_: Request, __: Exception) -> Response:
    """Starlette's handler for a bug: says nothing of its inside."""
    return problem(500, code="internal", title="Internal error", detail="see the service's log")
