"""Where a request carries its token, and the rule for tokens in URLs."""

from pathlib import Path
from typing import Any

import pytest

from notify_sse.auth import Credentials, Verifier, credentials
from notify_sse.config import read_settings
from notify_sse.errors import Unauthorized
from tests.support.tokens import NOW, SECRET, token


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
    ],
)
def test_two_tokens_in_one_place_are_refused(ambiguous: dict[str, Any]) -> None:
    """Else a proxy may check one, and we the other."""
    with pytest.raises(Unauthorized, match="more than one"):
        credentials(ambiguous)


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
    with pytest.raises(Unauthorized, match="over 100 query parameters"):
        credentials(scope(query="access_token=x" + "&a=1" * 100))


def test_credentials_do_not_show_the_token() -> None:
    assert "sekrit" not in repr(credentials(scope(query="access_token=sekrit")))


async def test_a_token_in_the_query_must_be_short_lived(tmp_path: Path) -> None:
    """By its whole lifetime when it says when it was issued, else by what is left of it. Elsewhere any may be used."""
    settings = read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path))
    verifier = Verifier(settings, clock=lambda: NOW)
    for good in (token(exp=NOW + 300), token(iat=NOW - 200, exp=NOW + 100), token(iat=..., exp=NOW + 300)):
        assert (await verifier.authenticate(scope(query=f"access_token={good}"))).subject == "alice"
    for long in (token(exp=NOW + 301), token(iat=NOW - 3600, exp=NOW + 10), token(iat=..., exp=NOW + 301)):
        with pytest.raises(Unauthorized, match=r"300 seconds at most.*Authorization header"):
            await verifier.authenticate(scope(query=f"access_token={long}"))
        assert (await verifier.authenticate(scope(("authorization", f"Bearer {long}")))).subject == "alice"
        assert (await verifier.authenticate(scope(("cookie", f"notify_sse_session={long}")))).subject == "alice"


async def test_the_lifetime_rule_is_told_to_holders_of_good_tokens_only(tmp_path: Path) -> None:
    settings = read_settings({}, jwt_secret=SECRET, state_dir=str(tmp_path))
    long = token("another secret, also over 32 bytes long", exp=NOW + 9999)
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        await Verifier(settings, clock=lambda: NOW).authenticate(scope(query=f"access_token={long}"))
