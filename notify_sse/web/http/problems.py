"""Refusals as `application/problem+json` (RFC 9457): which HTTP status each of our errors becomes.

What an error means, its `code`, and what it tells beside its message stand with the error in `errors.py`.
"""

import math
from typing import Final

import msgspec
from msgspec import UNSET
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.errors import (
    BadNotification,
    BadRequest,
    BodyTooLarge,
    BrokerUnavailable,
    Conflict,
    Forbidden,
    Limited,
    NotEnabled,
    NotifyError,
    Overloaded,
    StoreRefused,
    StoreUnavailable,
    TokenRevoked,
    TooSlow,
    Unauthorized,
    VersionNotSupported,
)
from notify_sse.web.http.access_log import note_error
from notify_sse.web.http.answers import Problem

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[dict[type[NotifyError], int]] = {
    BadNotification: 400,
    BadRequest: 400,
    Unauthorized: 401,
    TokenRevoked: 401,
    Forbidden: 403,
    NotEnabled: 403,
    TooSlow: 408,
    Conflict: 409,
    BodyTooLarge: 413,
    StoreRefused: 422,
    Limited: 429,
    Overloaded: 503,
    StoreUnavailable: 503,
    BrokerUnavailable: 503,
    VersionNotSupported: 505,
}


def refusal(exc: NotifyError) -> Response:
    """The answer to a request that failed with `exc`."""
    status = STATUS.get(type(exc), 500)
    if isinstance(exc, BadNotification) and exc.reason.startswith("unsupported_content_"):
        status = 415
    items, unknown = getattr(exc, "items", ()), getattr(exc, "notification_ids", ())
    document = Problem(
        type="about:blank",
        title=exc.meaning(),
        status=status,
        code=exc.code,
        detail=str(exc),
        field=getattr(exc, "field", UNSET),
        reason=getattr(exc, "reason", UNSET),
        limit=getattr(exc, "limit", UNSET),
        items=tuple(items) or UNSET,
        notification_ids=tuple(unknown) or UNSET,
    )
    return _response(document, headers=_headers(exc))


def problem(status: int, *, code: str, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    """A refusal that is no error of ours: a wrong address, a wrong method, a bug."""
    document = Problem(type="about:blank", title=title, status=status, code=code, detail=detail)
    return _response(document, headers=headers or {})


def _response(document: Problem, *, headers: dict[str, str]) -> Response:
    response = Response(msgspec.json.encode(document), document.status, {"Cache-Control": "no-store", **headers})
    response.headers["Content-Type"] = MEDIA_TYPE
    return response


def _headers(exc: NotifyError) -> dict[str, str]:
    if isinstance(exc, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(exc, Overloaded):
        return {"Retry-After": str(math.ceil(exc.retry_after_s))}
    return {"Retry-After": "1"} if isinstance(exc, StoreUnavailable | BrokerUnavailable) else {}


async def on_notify_error(request: Request, exc: Exception) -> Response:
    """Starlette's handler for our own errors."""
    assert isinstance(exc, NotifyError)
    note_error(request.scope, exc)
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
