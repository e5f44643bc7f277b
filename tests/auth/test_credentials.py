"""Where a request carries its token, and the rule for tokens in URLs."""

from pathlib import Path
from typing import Any

import pytest

from notify_sse import auth
from notify_sse.auth import CHANGING, PUBLISHING, READING, Credentials, Verifier
from notify_sse.config import read_settings
from notify_sse.errors import TokenRefused, Unauthorized
from tests.support.tokens import NOW, SECRET, token


def credentials(request: dict[str, Any]) -> Credentials | None:
    return auth.credentials(request, session_cookie="notify_sse_session")


def scope(*headers: tuple[str, str], query: str = "") -> dict[str, Any]:
    return {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "query_string": query.encode(),
    }


def found(request: dict[str, Any]) -> Credentials:
    """The credentials of a request that has some."""
    carried = credentials(request)
    assert carried is not None
    return carried


def test_the_header_wins_over_the_cookie_and_the_cookie_over_the_query() -> None:
    header = ("authorization", "Bearer h")
    cookie = ("cookie", "a=1; notify_sse_session=c; b=2")
    assert found(scope(cookie, header, query="access_token=q")).via == "header"
    carried = found(scope(cookie, query="access_token=q"))
    assert (carried.token, carried.via) == ("c", "cookie")
    carried = found(scope(("cookie", "a=1"), query="topics=a&access_token=q.r_s-t"))
    assert (carried.token, carried.via) == ("q.r_s-t", "query")


def test_the_scheme_is_read_in_any_case() -> None:
    assert found(scope(("authorization", "bEARER  x "))).token == "x"


def test_another_scheme_is_passed_over() -> None:
    """A proxy's Basic password beside our cookie is common."""
    carried = found(scope(("authorization", "Basic abc"), ("cookie", "notify_sse_session=c")))
    assert carried.token == "c"


@pytest.mark.parametrize(
    "ambiguous",
    [
        scope(("authorization", "Bearer a"), ("authorization", "Bearer b")),
        scope(query="access_token=a&access_token=b"),
        scope(("cookie", "notify_sse_session=a; notify_sse_session=b")),
        scope(("cookie", "notify_sse_session=a; x=1"), ("cookie", "notify_sse_session=b")),
        scope(("cookie", "notify_sse_session=a;notify_sse_session=a")),
        scope(("cookie", 'notify_sse_session="a"; notify_sse_session=')),
    ],
)
def test_two_tokens_in_one_place_are_refused(ambiguous: dict[str, Any]) -> None:
    """Else a proxy may check one, and we the other. A sibling origin can add a cookie of its own to the victim's."""
    with pytest.raises(TokenRefused, match="more than one") as caught:
        credentials(ambiguous)
    assert caught.value.reason == "ambiguous"


@pytest.mark.parametrize(
    "empty",
    [
        scope(),
        scope(("authorization", "Bearer")),
        scope(("cookie", "notify_sse_session=")),
        scope(query="access_token="),
        scope(query="xaccess_token=a"),
    ],
)
async def test_no_token_is_unauthorized(empty: dict[str, Any], tmp_path: Path) -> None:
    assert credentials(empty) is None
    verifier = Verifier(read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path)))
    with pytest.raises(Unauthorized, match="a token is required"):
        await verifier.authenticate(empty)


def test_no_end_of_query_parameters_is_unauthorized() -> None:
    """Not an error of ours: anyone may send them."""
    with pytest.raises(TokenRefused, match="over 100 query parameters"):
        credentials(scope(query="access_token=x" + "&a=1" * 100))


def test_credentials_do_not_show_the_token() -> None:
    assert "sekrit" not in repr(credentials(scope(query="access_token=sekrit")))


async def test_a_token_in_the_query_must_be_short_lived(tmp_path: Path) -> None:
    """By its whole lifetime when it says when it was issued, else by what is left of it. Elsewhere any may be used."""
    settings = read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path))
    verifier = Verifier(settings, clock=lambda: NOW)
    for good in (token(exp=NOW + 300), token(iat=NOW - 200, exp=NOW + 100), token(iat=..., exp=NOW + 300)):
        assert (await verifier.authenticate(scope(query=f"access_token={good}"), ways=READING)).subject == "alice"
    for long in (token(exp=NOW + 301), token(iat=NOW - 3600, exp=NOW + 10), token(iat=..., exp=NOW + 301)):
        with pytest.raises(Unauthorized, match=r"300 seconds at most.*Authorization header"):
            await verifier.authenticate(scope(query=f"access_token={long}"), ways=READING)
        assert (await verifier.authenticate(scope(("authorization", f"Bearer {long}")))).subject == "alice"
        assert (await verifier.authenticate(scope(("cookie", f"notify_sse_session={long}")))).subject == "alice"


async def test_the_lifetime_rule_is_told_to_holders_of_good_tokens_only(tmp_path: Path) -> None:
    settings = read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path))
    long = token("another secret, also over 32 bytes long", exp=NOW + 9999)
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        await Verifier(settings, clock=lambda: NOW).authenticate(scope(query=f"access_token={long}"), ways=READING)


WAYS = {
    "header": lambda made: scope(("authorization", f"Bearer {made}")),
    "cookie": lambda made: scope(("cookie", f"notify_sse_session={made}")),
    "query": lambda made: scope(query=f"access_token={made}"),
}


@pytest.mark.parametrize("ways", [READING, CHANGING, PUBLISHING], ids=["reading", "changing", "publishing"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_token_is_taken_only_by_the_ways_of_the_request(way: str, ways: frozenset[Any], tmp_path: Path) -> None:
    """A good one in another place is as none. Nothing said: the query is not one of the ways."""
    verifier = Verifier(read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path)), clock=lambda: NOW)
    request = WAYS[way](token())
    for allowed, options in ((way in ways, {"ways": ways}), (way != "query", {})):
        if allowed:
            assert (await verifier.authenticate(request, **options)).subject == "alice"
        else:
            with pytest.raises(Unauthorized, match=rf"in the {way} is not taken"):
                await verifier.authenticate(request, **options)


async def test_the_cookie_has_the_configured_name_and_no_other(tmp_path: Path) -> None:
    """With the prefix that browsers enforce, one without it is somebody else's."""
    settings = read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path), session_cookie="__Host-notify_sse_session")
    verifier = Verifier(settings, clock=lambda: NOW)
    mine, other = f"__Host-notify_sse_session={token()}", f"notify_sse_session={token(sub='mallory')}"
    assert (await verifier.authenticate(scope(("cookie", f"{other}; {mine}")))).subject == "alice"
    with pytest.raises(Unauthorized, match="a token is required"):
        await verifier.authenticate(scope(("cookie", other)))
