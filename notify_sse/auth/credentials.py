"""Finds the token of a request: in the header, else in the session cookie, else in the query. Reads an ASGI scope.

It knows nothing of keys: the `Verifier` decides whether the token is good.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec
from starlette.requests import cookie_parser

from notify_sse.errors import Unauthorized

SESSION_COOKIE: Final = "notify_sse_session"
QUERY_PARAMETER: Final = "access_token"
MAX_QUERY_FIELDS: Final = 100


class Credentials(msgspec.Struct, frozen=True):
    """A token and where it was found. Its repr hides the token."""

    token: str
    via: Literal["header", "cookie", "query"]

    def __repr__(self) -> str:
        """The place only, never the token."""
        return f"Credentials(via={self.via!r})"


def credentials(scope: Mapping[str, Any]) -> Credentials | None:
    """The token of the request or WebSocket handshake with this ASGI `scope`; None when it has none.

    An `Authorization` header of another scheme is ignored: it may be for a proxy. Raises `Unauthorized` when one place
    has more than one token, or when the query has over `MAX_QUERY_FIELDS` parameters.
    """
    bearers: list[str] = []
    cookies: list[str] = []
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearers.append(value[7:].strip().decode("latin-1"))
        elif name == b"cookie":
            cookies.append(value.decode("latin-1"))
    if bearers:
        return Credentials(_single(bearers, "Authorization header"), "header")
    if cookies and (session := cookie_parser("; ".join(cookies)).get(SESSION_COOKIE)):
        return Credentials(session, "cookie")
    query = scope.get("query_string", b"")
    if QUERY_PARAMETER.encode() in query:
        try:
            fields = parse_qs(query.decode("latin-1"), max_num_fields=MAX_QUERY_FIELDS)
        except ValueError:
            raise Unauthorized(f"over {MAX_QUERY_FIELDS} query parameters") from None
        if given := fields.get(QUERY_PARAMETER):
            return Credentials(_single(given, QUERY_PARAMETER), "query")
    return None


def is_cross_site(scope: Mapping[str, Any], *, trusted: Collection[str]) -> bool:
    """Whether a page of a foreign origin caused this request: neither ours nor one of the `trusted` ones.

    Such a request may carry the session cookie. `SameSite` looks at the site, not at the origin, so a page of a sibling
    origin sends it too; and CORS does not apply to WebSocket handshakes. The browser tells where the request comes
    from in `Sec-Fetch-Site`, which no page can set.
    """
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return headers.get(b"sec-fetch-site") in ("same-site", "cross-site") and headers.get(b"origin") not in trusted


def _single(tokens: list[str], place: str) -> str:
    if len(tokens) > 1:
        raise Unauthorized(f"more than one token in the {place}")
    return tokens[0]
