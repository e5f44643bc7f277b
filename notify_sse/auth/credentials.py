"""Finds the token of a request: in the header, else in the session cookie, else in the query. Reads an ASGI scope.

It knows nothing of keys: the `Verifier` decides whether the token is good, and whether this place is one that the
request may take it from.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec

from notify_sse.errors import TokenRefused

QUERY_PARAMETER: Final = "access_token"
MAX_QUERY_FIELDS: Final = 100

TICKET_PARAMETER: Final = "ticket"

Way = Literal["header", "cookie", "query", "ticket"]
READING: Final = frozenset[Way](("header", "cookie", "query", "ticket"))
"""For what only reads: the stream, the WebSocket, the history. EventSource can send neither a header nor a body."""
CHANGING: Final = frozenset[Way](("header", "cookie"))
"""For what changes something of one's own. Not the query: a URL is written down, sent on, and clicked."""
PUBLISHING: Final = frozenset[Way](("header",))
"""For what changes something for others: a browser sends a header for nobody but its page."""


class Credentials(msgspec.Struct, frozen=True):
    """A token and where it was found. Its repr hides the token."""

    token: str
    via: Way

    def __repr__(self) -> str:
        """The place only, never the token."""
        return f"Credentials(via={self.via!r})"


def credentials(scope: Mapping[str, Any], *, session_cookie: str) -> Credentials | None:
    """The token of the request or WebSocket handshake with this ASGI `scope`; None when it has none.

    An `Authorization` header of another scheme is ignored: it may be for a proxy. Raises `TokenRefused` when one place
    has more than one token, or when the query has over `MAX_QUERY_FIELDS` parameters.
    """
    bearers: list[str] = []
    sessions: list[str] = []
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearers.append(value[7:].strip().decode("latin-1"))
        elif name == b"cookie":
            sessions += _cookies(value.decode("latin-1"), session_cookie)
    if bearers:
        return Credentials(_single(bearers, "Authorization header"), "header")
    if sessions and (session := _single(sessions, "session cookie")):
        return Credentials(session, "cookie")
    query = scope.get("query_string", b"")
    return _in_query(query) if QUERY_PARAMETER.encode() in query or TICKET_PARAMETER.encode() in query else None


def _in_query(query: bytes) -> Credentials | None:
    try:
        fields = parse_qs(query.decode("latin-1"), max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise TokenRefused("ambiguous", f"over {MAX_QUERY_FIELDS} query parameters", told=True) from None
    tokens, tickets = fields.get(QUERY_PARAMETER, []), fields.get(TICKET_PARAMETER, [])
    if tokens and tickets:
        raise TokenRefused("ambiguous", "both a token and a ticket in the query", told=True)
    if tickets:
        return Credentials(_single(tickets, TICKET_PARAMETER), "ticket")
    return Credentials(_single(tokens, QUERY_PARAMETER), "query") if tokens else None


def _cookies(header: str, wanted: str) -> list[str]:
    """Every value of the cookie `wanted`. A mapping would keep the last one only, and that may be an attacker's: a
    sibling origin can set a cookie of the same name for the parent domain.
    """
    pairs = (pair.partition("=") for pair in header.split(";"))
    return [value.strip().strip('"') for name, _, value in pairs if name.strip() == wanted]


def _single(tokens: list[str], place: str) -> str:
    if len(tokens) > 1:
        raise TokenRefused("ambiguous", f"more than one token in the {place}", told=True)
    return tokens[0]
