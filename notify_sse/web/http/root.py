"""Under which path a proxy shows the service: what cookies and every URL that is given out begin with.

A proxy that serves `/push/notifications/…` from our `/notifications/…` names `/push` in `X-Forwarded-Prefix`, which is
believed from TRUSTED_PROXIES only; or ROOT_PATH says it. A proxy that leaves the path as it is works with ROOT_PATH.
"""

import re
from functools import lru_cache
from typing import Final

from starlette.types import Scope

from notify_sse.web.limits.address import Proxies

ROOT: Final = "notify_sse.root"
"""In the ASGI scope: the path, "" for none."""
ROOT_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+=:@%-]+)+")
MAX_CHARS: Final = 200
OWN: Final = ("/notifications", "/client", "/demo", "/admin", "/healthz", "/readyz", "/metrics")
"""With what our own paths begin. A ROOT_PATH may have the same name."""


def root_of(scope: Scope) -> str:
    """The path under which the client of this request sees the service; "" for none."""
    root: str = scope.get(ROOT, "")
    return root


class Roots:
    """`root_path` is that of the settings, for requests whose proxy names none."""

    def __init__(self, root_path: str, proxies: Proxies) -> None:
        self._root_path = root_path
        self._proxies = proxies

    def note(self, scope: Scope) -> None:
        """Note the path in `scope`, and take ROOT_PATH off the request's own. `scope["client"]` is still the peer."""
        root, peer = self._root_path, scope["client"]
        if root:
            _strip(scope, root)
        if peer and self._proxies.trusts(peer[0]):
            given = [value for name, value in scope["headers"] if name == b"x-forwarded-prefix"]
            root = (_named(b",".join(given)) if given else None) or root
        if root:
            scope[ROOT] = root


@lru_cache(maxsize=256)
def _named(value: bytes) -> str | None:
    """Several proxies, one behind the other, each add their part. None for what is no path."""
    path = "".join(part.strip().rstrip("/") for part in value.decode("latin-1").split(","))
    return path if len(path) <= MAX_CHARS and ROOT_PATH.fullmatch(path) and ".." not in path else None


def _strip(scope: Scope, root: str) -> None:
    path: str = scope["path"]
    rest = path.removeprefix(root)
    ambiguous = root.startswith(OWN) and not rest.startswith(OWN)
    if rest != path and rest.startswith("/") and not ambiguous:
        scope["path"] = rest
        scope["raw_path"] = scope["raw_path"][len(root) :]
