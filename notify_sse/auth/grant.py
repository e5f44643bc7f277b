"""From the claims of a token to what it grants. Pure: the caller gives the time.

The verifier has verified the signature before. Here every claim is checked for its type and range: python-jose accepts
whatever `int()` accepts, and ignores claims that are missing.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from notify_sse.core.parse import MAX_RECIPIENT_BYTES, TOPIC
from notify_sse.errors import TokenRefused

READ: Final = "notifications:read"
PUBLISH: Final = "notifications:publish"
ADMIN: Final = "notifications:admin"
OURS: Final = frozenset((READ, PUBLISH, ADMIN))

_NONE: Final[frozenset[str]] = frozenset()
_KEPT: Final[dict[frozenset[str], frozenset[str]]] = {}
"""Thousands of grants are kept, and a set takes 216 bytes: there is one of each that has our scopes only."""

LEEWAY_S: Final = 30.0
"""How far the issuer's clock may be ahead of ours, for `nbf` and `iat`. Not for `exp`: a stream ends at that time."""
_LATEST: Final = 253_402_300_800.0  # the year 10000: later times overflow in the libraries that we use


class TokenFacts(msgspec.Struct, frozen=True, gc=False):
    """What a stream keeps of the token that opened it, to know whether that is revoked (`revoked.HeldToken`)."""

    subject: str
    token_id: str
    jti: str | None = None
    issued_at: float | None = None


class Grant(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a verified token allows.

    `subject` is the token's `sub`: on a stream, the recipient. `topics` are those that a stream may add. `expires_at`
    and `issued_at` are Unix seconds. `token_id` identifies the token without showing it: a hash of the part that is
    signed, since one signature has more than one encoding. `jti` is the issuer's own name for it.
    """

    subject: str
    scopes: frozenset[str]
    topics: frozenset[str]
    expires_at: float
    issued_at: float | None
    token_id: str
    jti: str | None = None

    @property
    def facts(self) -> TokenFacts:
        """Which token it was, without what it grants."""
        return TokenFacts(self.subject, self.token_id, self.jti, self.issued_at)

    def lifetime_s(self, *, now: float) -> float:
        """The lifetime for which the token was issued. Without `iat` in it: what is left of it at `now`."""
        return self.expires_at - (now if self.issued_at is None else self.issued_at)


def grant_of(claims: Mapping[str, Any], *, audience: str, issuer: str | None, now: float, token_id: str) -> Grant:
    """The grant of a token with these `claims`. Raises `TokenRefused`."""
    expires_at = _time(claims, "exp")
    if expires_at is None:
        _refuse("exp is missing")
    if expires_at <= now:
        _refuse("expired", reason="expired")
    if (_time(claims, "nbf") or 0.0) > now + LEEWAY_S:
        _refuse("nbf is in the future", reason="not_yet_valid")
    issued_at = _time(claims, "iat")
    if issued_at is not None and issued_at > min(now + LEEWAY_S, expires_at):
        _refuse("iat is in the future", reason="not_yet_valid")
    _check_audience(claims.get("aud"), audience)
    if issuer is not None and claims.get("iss") != issuer:
        _refuse("iss is another", reason="issuer")
    return Grant(
        subject=_subject(claims.get("sub")),
        scopes=_scopes(claims.get("scope", READ)),
        topics=_topics(claims.get("topics", [])),
        expires_at=expires_at,
        issued_at=issued_at,
        token_id=token_id,
        jti=_jti(claims.get("jti")),
    )


def _refuse(detail: str, *, reason: str = "claim") -> NoReturn:
    raise TokenRefused(reason, detail)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f"{name} is not a number")
    if not math.isfinite(value) or not 0 <= value < _LATEST:
        _refuse(f"{name} is out of range")
    return float(value)


def _check_audience(claim: object, audience: str) -> None:
    audiences = [claim] if isinstance(claim, str) else claim
    if not isinstance(audiences, list) or audience not in audiences:
        _refuse("aud is missing or another", reason="audience")


def _subject(claim: object) -> str:
    if not isinstance(claim, str):
        _refuse("sub is missing or not a string")
    try:
        size = len(claim.encode())
    except UnicodeEncodeError:
        _refuse("sub is not Unicode")
    if not 1 <= size <= MAX_RECIPIENT_BYTES:
        _refuse("sub is empty or too long")
    return claim


def _jti(claim: object) -> str | None:
    """RFC 7519 has a string; some issuers count."""
    if isinstance(claim, int) and not isinstance(claim, bool):
        return str(claim)
    if claim is not None and not isinstance(claim, str):
        _refuse("jti is not a string")
    return claim


def _scopes(claim: object) -> frozenset[str]:
    """RFC 8693 has one string, separated by spaces; many issuers send a list."""
    given = [claim] if isinstance(claim, str) else claim
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        _refuse("scope is neither a string nor a list of strings")
    scopes = frozenset(scope for one in given for scope in one.split())
    return _KEPT.setdefault(scopes, scopes) if scopes <= OURS else scopes


def _topics(claim: object) -> frozenset[str]:
    if not isinstance(claim, list) or not all(isinstance(t, str) and TOPIC.fullmatch(t) for t in claim):
        _refuse("topics is not a list of topics")
    return frozenset(claim) if claim else _NONE
