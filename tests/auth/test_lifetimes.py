"""For how long a token may be issued: anywhere (`TOKEN_MAX_TTL_S`), and in a URL (`QUERY_TOKEN_MAX_TTL_S`)."""

from typing import Any

import pytest

from notify_sse.auth import Verifier
from notify_sse.auth.credentials import READING
from notify_sse.config import read_settings
from notify_sse.errors import TokenRefused, Unauthorized
from tests.support.tokens import NOW, SECRET, token


def _verifier(told: list[TokenRefused], **given: Any) -> Verifier:
    settings = read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET, **given)
    return Verifier(settings, clock=lambda: NOW, on_refused=told.append)


def _scope(made: str, *, way: str) -> dict[str, Any]:
    """The ASGI scope of a request that brings a token."""
    headers = {
        "header": [(b"authorization", f"Bearer {made}".encode())],
        "cookie": [(b"cookie", f"notify_sse_session={made}".encode())],
    }
    query = f"access_token={made}".encode() if way == "query" else b""
    return {"type": "http", "scheme": "http", "headers": headers.get(way, []), "query_string": query}


@pytest.mark.parametrize(
    "claims",
    [
        {"iat": NOW, "exp": NOW + 600.5},
        {"iat": NOW - 550, "exp": NOW + 60},
        {"iat": NOW, "exp": NOW + 86_400},
        {"iat": ..., "exp": NOW + 60},
        {"iat": ..., "exp": NOW + 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("way", ["header", "cookie", "query"])
async def test_a_token_that_is_issued_for_too_long_is_refused(way: str, claims: dict[str, Any]) -> None:
    """However little of it is left; and one that does not say since when it lives. Revocations rely on it: they are
    forgotten after that time. The caller is not told why.
    """
    told: list[TokenRefused] = []
    verifier = _verifier(told, token_max_ttl_s=600, query_token_max_ttl_s=86_400)
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        await verifier.authenticate(_scope(token(**claims), way=way), ways=READING)
    assert [one.reason for one in told] == ["too_long_lived"]
    with pytest.raises(Unauthorized):  # as a WebSocket brings one, in a message
        await verifier.verify_or_refresh(token(**claims))
    assert [one.reason for one in told] == ["too_long_lived"] * 2


@pytest.mark.parametrize(
    "claims",
    [{"iat": NOW, "exp": NOW + 600}, {"iat": NOW - 599, "exp": NOW + 1}, {"iat": NOW, "exp": NOW + 5}],
    ids=str,
)
async def test_a_token_within_it_is_taken(claims: dict[str, Any]) -> None:
    verifier = _verifier([], token_max_ttl_s=600)
    for _ in range(2):  # the second time from the cache
        assert (await verifier.authenticate(_scope(token(**claims), way="header"))).subject == "alice"


@pytest.mark.parametrize("claims", [{"exp": NOW + 10**8}, {"iat": ..., "exp": NOW + 10**8}], ids=str)
async def test_without_the_setting_any_lifetime_is_taken(claims: dict[str, Any]) -> None:
    verifier = _verifier([])
    assert (await verifier.authenticate(_scope(token(**claims), way="header"))).expires_at == NOW + 10**8


@pytest.mark.parametrize(
    ("claims", "taken"),
    [
        ({"iat": NOW, "exp": NOW + 300}, True),
        ({"iat": NOW, "exp": NOW + 301}, False),
        ({"iat": NOW - 3500, "exp": NOW + 100}, False),
        ({"iat": ..., "exp": NOW + 300}, True),
        ({"iat": ..., "exp": NOW + 301}, False),
    ],
    ids=str,
)
async def test_in_a_url_it_has_to_live_shortly_and_the_caller_is_told(claims: dict[str, Any], *, taken: bool) -> None:
    """URLs end up in other people's logs. The same token is good in a header."""
    told: list[TokenRefused] = []
    verifier = _verifier(told)
    made = token(**claims)
    if taken:
        assert (await verifier.authenticate(_scope(made, way="query"), ways=READING)).subject == "alice"
    else:
        with pytest.raises(Unauthorized, match=r"access_token may live 300 seconds at most; .* Authorization"):
            await verifier.authenticate(_scope(made, way="query"), ways=READING)
        assert [one.reason for one in told] == ["too_long_lived"]
    assert (await verifier.authenticate(_scope(made, way="header"))).subject == "alice"
