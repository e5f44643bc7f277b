"""With the session cookie, a page of which origin may ask: ours and the listed ones, and no other."""

from typing import Any

import pytest

from notify_sse.auth.origin import is_foreign

HOST = "push.example.test"
OWN = f"https://{HOST}"
LISTED = "https://app.example.test"
SIBLING = "https://evil.example.test"


def foreign(kind: str, headers: dict[str, str], *, public: tuple[str, ...] = ()) -> bool:
    """Of a request with these `headers`, in which `_` stands for `-`."""
    given = [(name.replace("_", "-"), value) for name, value in ({"host": HOST} | headers).items()]
    scope: dict[str, Any] = {"type": kind, "headers": [(name.encode(), value.encode()) for name, value in given]}
    return is_foreign(scope, public=public, listed=(LISTED,))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "origin",
    [
        SIBLING,
        "null",
        "",
        "https://",
        "https://[",
        f"http://{HOST}",
        f"{OWN}:8443",
        f"{OWN}.",
        f"{OWN}/",
        f"{OWN}, {OWN}",
        f"https://a@{HOST}",
        f"https://{HOST}.evil.test",
        f"{LISTED}.evil.test",
        "http://app.example.test",
        HOST,
        f"//{HOST}",
        f"ws://{HOST}",
        "file://",
    ],
)
def test_another_origin_is_foreign_with_no_more_than_an_origin_header(kind: str, origin: str) -> None:
    """Chromium sends no `Sec-Fetch-Site` on handshakes, other clients on nothing. http is not https: the cookie is
    `Secure`, so our own pages are never plain.
    """
    assert foreign(kind, {"origin": origin})


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": OWN},
        {"origin": LISTED},
        {"origin": LISTED, "sec_fetch_site": "same-site"},
        {"origin": LISTED, "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin"},
        {"origin": OWN, "sec_fetch_site": "same-origin"},
        {"origin": OWN, "host": f"{HOST}:443"},
        {"origin": OWN, "host": HOST.upper()},
        {"origin": f"{OWN}:8443", "host": f"{HOST}:8443"},
        {"origin": "http://127.0.0.1:8000", "host": "127.0.0.1:8000"},
        {"origin": "http://[::1]:8000", "host": "[::1]:8000"},
        {"origin": "http://localhost", "host": "localhost:80"},
        {"origin": "http://app.localhost:3000", "host": "app.localhost:3000"},
    ],
    ids=str,
)
def test_no_origin_this_hosts_and_a_listed_one_are_not_foreign(kind: str, headers: dict[str, str]) -> None:
    assert not foreign(kind, headers)


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize("headers", [{}, {"origin": "null"}, {"origin": OWN}], ids=str)
def test_what_the_browser_calls_foreign_is_foreign(site: str, headers: dict[str, str]) -> None:
    """Also without an `Origin` (an image, a link), and whatever host name a proxy made of ours."""
    assert foreign("http", headers | {"sec_fetch_site": site})


def test_the_browsers_word_for_our_own_page_counts_on_requests_and_not_on_handshakes() -> None:
    """A proxy may change `Host`; on an HTTP request the browser knows better. On a handshake, `Origin` is looked at."""
    behind_a_proxy = {"host": "backend:8000", "origin": OWN, "sec_fetch_site": "same-origin"}
    assert not foreign("http", behind_a_proxy)
    assert foreign("websocket", behind_a_proxy)
    assert not foreign("websocket", behind_a_proxy, public=(OWN,))


def test_with_public_origins_the_host_header_says_nothing() -> None:
    """What a proxy makes of `Host` is then of no account."""
    changed = {"host": "backend:8000"}
    assert foreign("websocket", changed | {"origin": "https://backend:8000"}, public=(OWN,))
    assert not foreign("websocket", changed | {"origin": OWN}, public=(OWN,))
    assert not foreign("http", changed | {"origin": OWN, "sec_fetch_site": "same-site"}, public=(OWN,))
    assert not foreign("http", {"origin": LISTED}, public=(OWN,))


def test_two_origins_are_foreign() -> None:
    scope = {"type": "http", "headers": [(b"host", HOST.encode()), *2 * [(b"origin", OWN.encode())]]}
    assert is_foreign(scope, public=(), listed=(LISTED,))
