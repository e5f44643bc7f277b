"""Makes tokens: for the commands, for trials, and for services that share the secret."""

import secrets
import time
from collections.abc import Iterable
from typing import Any

from jose import jwt

from notify_sse.auth.grant import grant_of
from notify_sse.auth.keys import HS256, signing_secret
from notify_sse.config import Settings
from notify_sse.errors import TokenRefused


def mint(
    settings: Settings,
    subject: str,
    *,
    scopes: Iterable[str] = (),
    topics: Iterable[str] = (),
    ttl_s: float = 300,
    now: float | None = None,
) -> str:
    """A token for `subject` (on a stream: the recipient) that this service accepts for `ttl_s` seconds.

    Without `scopes` it may only read. Raises `BadConfiguration` when only a public key is configured, and ValueError
    when the service would refuse such a token.
    """
    issued_at = round(time.time() if now is None else now, 3)
    claims: dict[str, Any] = {
        "sub": subject,
        "aud": settings.jwt_audience,
        "iat": issued_at,
        "exp": round(issued_at + ttl_s, 3),
        "jti": secrets.token_urlsafe(12),
    }
    if scope := " ".join(scopes):
        claims["scope"] = scope
    if granted := sorted(set(topics)):
        claims["topics"] = granted
    if settings.jwt_issuer is not None:
        claims["iss"] = settings.jwt_issuer
    try:
        grant_of(claims, audience=settings.jwt_audience, issuer=settings.jwt_issuer, now=issued_at, token_id="")
    except TokenRefused as exc:
        raise ValueError(f"the service would refuse such a token: {exc}") from None
    token: str = jwt.encode(claims, signing_secret(settings), algorithm=HS256)
    return token
