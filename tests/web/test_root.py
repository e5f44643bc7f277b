"""Which path a request is taken to have come under, and what is left of its own."""

from typing import Any

import pytest

from notify_sse.web.http.root import Roots, root_of
from notify_sse.web.limits.address import Proxies


def _scope(path: str, *, peer: str = "10.0.0.1", prefixes: tuple[str, ...] = ()) -> dict[str, Any]:
    headers = [(b"x-forwarded-prefix", one.encode("latin-1")) for one in prefixes]
    return {"type": "http", "path": path, "raw_path": path.encode(), "client": (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("root", "path", "left"),
    [
        ("/push", "/notifications/stream", "/notifications/stream"),
        ("/push", "/push/notifications/stream", "/notifications/stream"),
        ("/push", "/pushnotifications", "/pushnotifications"),
        ("/push", "/push", "/push"),
        ("/a/b", "/a/b/client/notify-sse.js", "/client/notify-sse.js"),
        ("/notifications", "/notifications/stream", "/notifications/stream"),
        ("/notifications", "/notifications/notifications/stream", "/notifications/stream"),
        ("/notifications", "/notifications/readyz", "/readyz"),
        ("", "/notifications", "/notifications"),
    ],
)
def test_a_proxy_may_take_the_path_off_or_leave_it(root: str, path: str, left: str) -> None:
    """Also where ROOT_PATH is called as our own paths are."""
    scope = _scope(path)
    Roots(root, Proxies([])).note(scope)
    assert (scope["path"], scope["raw_path"], root_of(scope)) == (left, left.encode(), root)


@pytest.mark.parametrize(
    ("peer", "prefixes", "root"),
    [
        ("10.0.0.1", ("/push",), "/push"),
        ("10.0.0.1", ("/push/",), "/push"),
        ("10.0.0.1", ("/edge, /push",), "/edge/push"),
        ("10.0.0.1", ("/edge", "/push"), "/edge/push"),
        ("192.0.2.1", ("/push",), "/set"),
        ("10.0.0.1", (), "/set"),
        *(("10.0.0.1", (bad,), "/set") for bad in ("push", "//evil.example", "/a;b", "/a b", "/../x", "/" * 300, "/é")),
    ],
)
def test_only_a_trusted_proxy_is_believed_and_only_a_path(peer: str, prefixes: tuple[str, ...], root: str) -> None:
    """It goes into a cookie and into URLs (CWE-113, CWE-601)."""
    scope = _scope("/notifications", peer=peer, prefixes=prefixes)
    Roots("/set", Proxies(["10.0.0.0/8"])).note(scope)
    assert root_of(scope) == root
