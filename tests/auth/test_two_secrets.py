"""`JWT_SECRET_PREVIOUS`: a secret is replaced while tokens of the one before are still about."""

from typing import Any

import pytest

from notify_sse.auth import Verifier, mint
from notify_sse.config import Settings, read_settings
from notify_sse.errors import TokenRefused, Unauthorized
from tests.support.tokens import NOW, SECRET, b64, claims, forged, token

BEFORE = "the secret before, which is also over 32 bytes long"
OTHER = "a secret that nobody has configured, over 32 bytes"


def _settings(**given: Any) -> Settings:
    return read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET, **given)


def _verifier(told: list[TokenRefused] | None = None, /, **given: Any) -> Verifier:
    heard = (told if told is not None else []).append
    return Verifier(_settings(**given), clock=lambda: NOW, on_refused=heard)


def _reason(verifier: Verifier, told: list[TokenRefused], refused: str) -> str:
    told.clear()
    with pytest.raises(Unauthorized, match=r"^the token is not valid$"):
        verifier.verify(refused)
    [one] = told
    return one.reason


def test_tokens_of_either_secret_are_taken_and_of_no_third() -> None:
    told: list[TokenRefused] = []
    both = _verifier(told, jwt_secret_previous=BEFORE)
    assert both.verify(token(SECRET)).subject == "alice"
    assert both.verify(token(BEFORE, sub="bob")).subject == "bob"
    assert _reason(both, told, token(OTHER)) == "signature"


def test_the_one_before_is_refused_once_it_is_taken_away() -> None:
    told: list[TokenRefused] = []
    assert _reason(_verifier(told), told, token(BEFORE)) == "signature"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW - 1}, "expired"),
        ({"aud": "other"}, "audience"),
        ({"sub": 5}, "claim"),
        ({"nbf": NOW + 99}, "not_yet_valid"),
    ],
    ids=str,
)
def test_the_one_before_vouches_for_no_more_than_the_first(changes: dict[str, Any], reason: str) -> None:
    """Every claim is checked, and the refusal has the same reason."""
    told: list[TokenRefused] = []
    both = _verifier(told, jwt_secret_previous=BEFORE)
    made = forged({"alg": "HS256"}, claims(**changes), secret=BEFORE)
    assert _reason(both, told, made) == reason


@pytest.mark.parametrize("alg", ["none", "HS384", "HS512", "RS256"])
def test_the_one_before_is_for_the_same_algorithm_only(alg: str) -> None:
    told: list[TokenRefused] = []
    both = _verifier(told, jwt_secret_previous=BEFORE)
    assert _reason(both, told, forged({"alg": alg}, claims(), secret=BEFORE)) == "algorithm"
    unsigned = f"{b64({'alg': alg})}.{b64(claims())}."
    assert _reason(both, told, unsigned) == "malformed"


def test_new_tokens_are_signed_with_the_first() -> None:
    """So that none is refused when the second is taken away."""
    made = mint(_settings(jwt_secret_previous=BEFORE), "alice", now=NOW)
    assert _verifier().verify(made).subject == "alice"
    only_before = Verifier(read_settings({"HOME": "/nonexistent"}, jwt_secret=BEFORE), clock=lambda: NOW)
    with pytest.raises(Unauthorized):
        only_before.verify(made)
