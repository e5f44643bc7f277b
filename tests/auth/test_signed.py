"""A token taken apart: its header is read once for all tokens that have it, and its key vouches for one algorithm."""

import pytest

from notify_sse.auth.keys import secret_key
from notify_sse.auth.signed import take_apart
from notify_sse.errors import TokenRefused
from tests.support.tokens import SECRET, b64, claims, forged

OTHER = "a secret that nobody has configured, over 32 bytes"


def test_a_key_vouches_for_its_own_algorithm_only() -> None:
    """The signature is good in each case. The header decides nothing: it can only be wrong."""
    key = secret_key(SECRET)
    assert take_apart(forged({"alg": "HS256"}, claims())).is_by(key)
    for header in ({"alg": "RS256"}, {"alg": "HS512"}, {"alg": "none"}, {"alg": ["HS256"]}, {}):
        assert not take_apart(forged(header, claims())).is_by(key), header
    assert not take_apart(forged({"alg": "HS256"}, claims(), secret=OTHER)).is_by(key)


def test_each_token_has_its_own_header() -> None:
    """More of them than are remembered, each twice, and those that cannot be read between them."""
    for number in [*range(100), *range(100)]:
        signed = take_apart(forged({"alg": "HS256", "kid": f"k{number}"}, claims()))
        assert signed.header == {"alg": "HS256", "kid": f"k{number}"}
        with pytest.raises(Exception, match=r"header|utf-8|padding"):
            take_apart(f"{b64(b'[1]')}.{b64(claims())}.{b64(b'x')}")


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c.d", "a..c", "a.b.", "a.b.c\n", "a+.b.c"])
def test_it_has_three_parts(token: str) -> None:
    with pytest.raises(TokenRefused, match="three"):
        take_apart(token)
