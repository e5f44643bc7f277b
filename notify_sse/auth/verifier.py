"""From a token to a `Grant`: the one place where tokens are verified.

Verifying is synchronous and does no I/O. It has a cache: ten thousand streams that reconnect bring tokens that were
verified a moment ago. Only a token that names an unknown key may wait, for one reading of the JWK set.
"""

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from notify_sse.auth.credentials import CHANGING, Credentials, Way, credentials
from notify_sse.auth.grant import Grant, grant_of
from notify_sse.auth.keys import Key, KeyFinder, public_key, secret_key, signing_secret
from notify_sse.auth.origin import is_foreign
from notify_sse.auth.revoked import Revoked
from notify_sse.auth.signed import Signed, take_apart
from notify_sse.auth.tickets import Tickets
from notify_sse.auth.verified import Verified, digest_of
from notify_sse.config import Settings
from notify_sse.errors import TokenRefused, TokenRevoked, Unauthorized

if TYPE_CHECKING:
    from notify_sse.auth.jwks import Jwks

MAX_TOKEN_BYTES: Final = 8192
_REFUSAL: Final = "the token is not valid"
_CLAIMS: Final = msgspec.json.Decoder(dict[str, Any])


class _UnknownKey(TokenRefused):
    """The token names a key that we do not have (yet)."""

    def __init__(self) -> None:
        super().__init__("unknown_key", "no such key")


class Verifier:
    """Verifies tokens with the key that `settings` name. `clock` gives Unix seconds; `on_refused` hears each refusal,
    and `on_unauthorized` of whose request it was (an ASGI scope): it may raise in place of `Unauthorized`.

    Raises `BadConfiguration` when the configured key cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        revoked: Revoked | None = None,
        tickets: Tickets | None = None,
        clock: Callable[[], float] = time.time,
        on_refused: Callable[[TokenRefused], None] = lambda _: None,
        on_unauthorized: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._session_cookie = settings.session_cookie
        self._public_origins = settings.public_origins
        self._cors_origins = settings.cors_origins
        self._query_token_max_ttl_s = settings.query_token_max_ttl_s
        self._token_max_ttl_s = settings.token_max_ttl_s
        self._revoked = Revoked(known=True) if revoked is None else revoked
        self._tickets = tickets
        self._clock = clock
        self._on_refused = on_refused
        self._on_unauthorized = on_unauthorized
        self._verified = Verified()
        self._jwks: Jwks | None = None
        self._find = self._key_finder(settings)
        previous = settings.jwt_secret_previous
        self._previous_key = secret_key(previous) if previous is not None else None

    def _key_finder(self, settings: Settings) -> KeyFinder:
        if settings.jwks_url is not None:
            from notify_sse.auth.jwks import Jwks  # noqa: PLC0415  (httpx is loaded only for a JWK set)

            # A token whose key was withdrawn must not be found in the cache.
            self._jwks = Jwks(settings.jwks_url, on_change=self._verified.clear)
            self._jwks.load_file()
            return self._jwks.find
        key = public_key(settings) if settings.jwt_public_key is not None else secret_key(signing_secret(settings))
        return lambda _kid: key

    @property
    def ready(self) -> bool:
        """Whether there is a key. False only for a JWK set that was never read yet."""
        return self._jwks is None or self._jwks.loaded

    async def start(self) -> None:
        """Read the JWK set and keep it fresh, when one is configured."""
        if self._jwks is not None:
            await self._jwks.start()

    async def close(self) -> None:
        """Stop refreshing. Idempotent."""
        if self._jwks is not None:
            await self._jwks.close()

    def confirm(self, grant: Grant) -> None:
        """Raises `TokenRevoked` when `grant` was revoked since it was given."""
        if self._revoked.refuses(grant):
            raise self._unauthorized(TokenRefused("revoked", "revoked"))

    def found(self, scope: Mapping[str, Any]) -> Credentials | None:
        """The token that a request brings, not verified; None when it has none. Raises `Unauthorized`."""
        try:
            return credentials(scope, session_cookie=self._session_cookie)
        except TokenRefused as exc:
            raise self._unauthorized(exc) from None

    async def authenticate(self, scope: Mapping[str, Any], *, ways: Collection[Way] = CHANGING) -> Grant:
        """The grant of the request or WebSocket handshake with this ASGI `scope`, whose token may come by `ways`.

        Raises `Unauthorized`. Waits only when the token names an unknown key. A cancellation does no harm.
        """
        try:
            found = credentials(scope, session_cookie=self._session_cookie)
            self._check_way(found, scope, ways)
            assert found
            grant = await self._grant_by(found)
            if found.via == "query":
                self._check_query_lifetime(grant)
        except TokenRefused as exc:
            raise self._refused(exc, scope) from None
        return grant

    async def _grant_by(self, found: Credentials) -> Grant:
        if found.via != "ticket":
            return await self.examine(found.token)
        if self._tickets is None:
            raise TokenRefused("ticket", "there are none here")
        grant = await self._tickets.redeem(found.token)
        if grant.expires_at <= self._clock():
            raise TokenRefused("expired", "expired")
        return self._in_force(grant)

    def _check_way(self, found: Credentials | None, scope: Mapping[str, Any], ways: Collection[Way]) -> None:
        if found is None:
            raise TokenRefused("missing", f"a token is required: {_places(ways)}", told=True)
        if found.via not in ways:
            raise TokenRefused(
                "wrong_place", f"a token in the {found.via} is not taken for this: {_places(ways)}", told=True
            )
        foreign = found.via == "cookie" and is_foreign(scope, public=self._public_origins, listed=self._cors_origins)
        if foreign:
            raise TokenRefused("foreign_origin", "the session cookie is not taken from another site's page", told=True)

    async def verify_or_refresh(self, token: str) -> Grant:
        """The grant of a `token` that came by itself, in a message. Raises `Unauthorized`."""
        try:
            return await self.examine(token)
        except TokenRefused as exc:
            raise self._unauthorized(exc) from None

    def verify(self, token: str) -> Grant:
        """The grant of `token`. Raises `Unauthorized`, whatever is wrong with the token. Does no I/O."""
        try:
            return self._verify(token)
        except TokenRefused as exc:
            raise self._unauthorized(exc) from None

    async def examine(self, token: str) -> Grant:
        """The grant of `token`. Raises `TokenRefused`, which says why, and must never be sent.

        When the token names an unknown key, the JWK set is read again first, at a bounded rate.
        """
        try:
            return self._verify(token)
        except _UnknownKey:
            if self._jwks is None or not await self._jwks.refresh_for_unknown_kid():
                raise
            return self._verify(token)

    def _check_query_lifetime(self, grant: Grant) -> None:
        """Raise `TokenRefused` when the token lives too long to be sent in a URL: proxies and servers log URLs."""
        if grant.lifetime_s(now=self._clock()) > self._query_token_max_ttl_s:
            raise TokenRefused(
                "too_long_lived",
                f"a token in access_token may live {self._query_token_max_ttl_s} seconds at most; "
                "send this one in the Authorization header",
                told=True,
            )

    def _refused(self, refused: TokenRefused, scope: Mapping[str, Any]) -> Unauthorized:
        """In a frame of its own: one that raises what it still names is a cycle, with all of the request in it."""
        unauthorized = self._unauthorized(refused)
        self._on_unauthorized(scope)
        return unauthorized

    def _unauthorized(self, refused: TokenRefused) -> Unauthorized:
        """One answer for whatever is wrong with a token itself."""
        self._on_refused(refused)
        if refused.reason == "revoked":
            return TokenRevoked("the token is revoked")
        return Unauthorized(str(refused) if refused.told else _REFUSAL)

    def _verify(self, token: str) -> Grant:
        return self._in_force(self._granted(token))

    def _in_force(self, grant: Grant) -> Grant:
        if self._revoked.refuses(grant):
            raise TokenRefused("revoked", "revoked")
        return grant

    def _granted(self, token: str) -> Grant:
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise TokenRefused("malformed", "too large or not ASCII")
        digest = digest_of(token)
        grant = self._verified.get(digest)
        if grant is None:
            grant = self._checked(token)
            self._verified.put(digest, grant, size=len(token))
        elif grant.expires_at <= self._clock():
            self._verified.drop(digest)
            raise TokenRefused("expired", "expired")
        return grant

    def _checked(self, token: str) -> Grant:
        try:
            signed = take_apart(token)
            key = self._key_for(signed.header)
            self._check_signature(signed, key)
            # Not jwt.decode: it accepts times that are strings, and ignores missing claims. `grant_of` is strict.
            grant = grant_of(
                _CLAIMS.decode(signed.claims),
                audience=self._audience,
                issuer=self._issuer,
                now=self._clock(),
                token_id=hashlib.sha256(signed.content).hexdigest()[:32],
            )
            self._check_lifetime(grant)
        except TokenRefused:
            raise
        except Exception as exc:  # noqa: BLE001  (python-jose raises far more than JWTError on hostile input)
            raise TokenRefused("malformed", type(exc).__name__) from None
        return grant

    def _check_signature(self, signed: Signed, key: Key) -> None:
        if not signed.is_by(key) and not (self._previous_key and signed.is_by(self._previous_key)):
            raise TokenRefused("signature", "the signature is not by our key")

    def _check_lifetime(self, grant: Grant) -> None:
        """Without `iat`, nobody could tell for how long a token was issued."""
        if self._token_max_ttl_s and (
            grant.issued_at is None or grant.expires_at - grant.issued_at > self._token_max_ttl_s
        ):
            raise TokenRefused("too_long_lived", "issued for longer than TOKEN_MAX_TTL_S, or without iat")

    def _key_for(self, header: Mapping[str, Any]) -> Key:
        if "crit" in header:
            raise TokenRefused("algorithm", "crit is not understood")
        key = self._find(header.get("kid"))
        if key is None:
            raise _UnknownKey
        if header.get("alg") != key.algorithm:
            raise TokenRefused("algorithm", "alg is not the key's")
        return key


async def check_token(settings: Settings, token: str) -> Grant:
    """What a service with these `settings` makes of `token`; for the commands.

    Raises `TokenRefused`, which says why, and `BadConfiguration`.
    """
    verifier = Verifier(settings)
    try:
        await verifier.start()
        return await verifier.examine(token)
    finally:
        await verifier.close()


def _places(ways: Collection[Way]) -> str:
    names: dict[Way, str] = {
        "header": "Authorization: Bearer",
        "cookie": "the session cookie",
        "query": "access_token in the query",
        "ticket": "a ticket in the query",
    }
    return ", or ".join(name for way, name in names.items() if way in ways)
