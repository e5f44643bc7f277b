"""Who asks, for records: the client's address, and the id of its request."""

import random
import re
from typing import Final

from starlette.types import Scope

from notify_sse.gateway.connection import Origin

REQUEST_ID_HEADER: Final = b"x-request-id"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
"""W3C Trace Context, 3.2: the version, the trace's id, the parent's id, flags."""
_STATE: Final = "notify_sse.request_id"


def client_address(scope: Scope) -> str:
    """The address of the client of a request, without its port. Empty when there is none (a Unix socket)."""
    client = scope.get("client")
    return client[0] if client else ""


def request_id(scope: Scope) -> str:
    """The id of a request: from `X-Request-ID`, else the trace's id in `traceparent`, else one of our own.

    What does not look like an id is not taken: it is written to the log, and given back in the answer.
    """
    known: str | None = scope.get(_STATE)
    if known is None:
        known = scope[_STATE] = _brought(scope) or f"{random.getrandbits(64):016x}"
    return known


def origin(scope: Scope) -> Origin:
    """Where a stream comes from."""
    return Origin(client_address(scope), request_id(scope))


def _brought(scope: Scope) -> str:
    found = ""
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and _REQUEST_ID.fullmatch(value):
            return str(value.decode("ascii"))
        if name == b"traceparent" and (trace := _TRACEPARENT.fullmatch(value)) and trace[1].strip(b"0"):
            found = trace[1].decode("ascii")
    return found
