"""Whether a page of a foreign origin caused a request. Such a request may carry the session cookie.

`SameSite` looks at the site, not at the origin, so a page of a sibling origin sends the cookie too; and CORS does not
apply to WebSocket handshakes. So with the cookie, the `Origin` is looked at (docs/reference/tokens.md). Pure.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from notify_sse.config import is_loopback

_DEFAULT_PORT: Final = {"https": ":443", "http": ":80"}


def is_foreign(scope: Mapping[str, Any], *, public: Collection[str], listed: Collection[str]) -> bool:
    """Whether this request or WebSocket handshake is of a page that is neither ours nor of a `listed` origin.

    Ours are the `public` origins; without any, the origin of the host that the request names. A browser says in
    `Sec-Fetch-Site` where an HTTP request comes from, whatever a proxy made of our host name, and no page can set it.
    On handshakes it proves nothing: Chromium sends none there, so `Origin` is all there is.
    """
    origins, site, host = [], "", ""
    for name, value in scope["headers"]:
        if name == b"origin":
            origins.append(value.decode("latin-1"))
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1")
        elif name == b"host":
            host = value.decode("latin-1").lower()
    if len(origins) > 1:
        return True
    origin = origins[0] if origins else None
    if origin in listed or origin in public:
        return False
    if site in ("same-site", "cross-site"):
        return True
    if origin is None or (site == "same-origin" and scope["type"] == "http"):
        return False
    return bool(public) or not _is_of(origin, host)


def _is_of(origin: str, host: str) -> bool:
    """Whether `origin` is that of `host`. The scheme is https, except on this machine: the cookie is `Secure`."""
    scheme, _, authority = origin.partition("://")
    if scheme == "http" and not _is_local(authority):
        return False
    return scheme in _DEFAULT_PORT and authority != "" and authority == host.removesuffix(_DEFAULT_PORT[scheme])


def _is_local(authority: str) -> bool:
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost")
