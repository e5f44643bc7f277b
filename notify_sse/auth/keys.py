"""The keys that tokens are verified with, each bound to one algorithm when it is loaded.

The kind of the key decides the algorithm: a secret is HS256, RSA is RS256, P-256 is ES256. The header of a token never
decides it. A `KeyFinder` finds the key of a token: one fixed key, or a lookup in a JWK set.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk
from jose.backends.native import HMACKey

from notify_sse.config import Settings, variable
from notify_sse.errors import BadConfiguration

HS256: Final = "HS256"
RS256: Final = "RS256"
ES256: Final = "ES256"
MIN_RSA_BITS: Final = 2048
DEVELOPMENT_KEY_FILE: Final = "dev-secret"


class Key(msgspec.Struct, frozen=True):
    """A key, prepared for python-jose, and the one algorithm that it may be used with."""

    algorithm: str
    prepared: Any

    def __repr__(self) -> str:
        """The algorithm only, never the key."""
        return f"Key({self.algorithm})"


class KeyFinder(Protocol):
    """Finds the key for a token that names `kid` (None when it names none); None when there is no such key."""

    def __call__(self, kid: object, /) -> Key | None: ...


def secret_key(secret: str) -> Key:
    """The key of HS256 tokens."""
    return Key(HS256, HMACKey(secret, HS256))


def signing_secret(settings: Settings) -> str:
    """The secret that tokens are signed with: the configured one, else the generated one of development mode.

    The generated secret is a file in the state directory, so that `serve` and the other commands share it. Raises
    `BadConfiguration` when only a public key is configured: that can verify tokens, but not sign them.
    """
    if settings.jwt_secret is not None:
        return settings.jwt_secret
    if not settings.development:
        raise BadConfiguration(
            f"{variable('jwt_secret')}: is not set, and with a public key alone tokens can only be verified, "
            "not made (client commands take a --token)"
        )
    path = Path(settings.state_dir, DEVELOPMENT_KEY_FILE)
    try:
        return _read_secret(path) or _generate_secret(path)
    except OSError as exc:
        raise BadConfiguration(
            f"{variable('state_dir')}: cannot keep the development key there ({exc.strerror}: {path})"
        ) from exc


def _read_secret(path: Path) -> str | None:
    try:
        return path.read_text("ascii").strip() or None
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise BadConfiguration(f"{variable('state_dir')}: {path} is not a key; remove it") from None


def _generate_secret(path: Path) -> str:
    """Make the file in one step (a link), so that two processes that start at once get the same secret."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{DEVELOPMENT_KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was faster: its secret counts
            path.hardlink_to(draft)
    finally:
        draft.unlink()
    secret = _read_secret(path)
    if secret is None:
        raise BadConfiguration(f"{variable('state_dir')}: {path} is empty; remove it")
    return secret


def public_key(settings: Settings) -> Key:
    """The key in `jwt_public_key` (PEM text, or the path of a file). Raises `BadConfiguration`."""
    given = settings.jwt_public_key or ""
    # An env file cannot hold line ends, so keys are often written with a literal \n in it.
    pem = given.replace("\\n", "\n") if "-----BEGIN" in given else _file_text(given)
    if "PRIVATE KEY-----" in pem:
        raise _unusable_public("is a private key; give the service the public one")
    try:
        data = pem.strip().encode()
        loaded = (
            x509.load_pem_x509_certificate(data).public_key()
            if b"-----BEGIN CERTIFICATE" in data
            else serialization.load_pem_public_key(data)
        )
    except Exception:  # noqa: BLE001  (the library raises much more than it documents)
        raise _unusable_public("is not a public key in PEM") from None
    if isinstance(loaded, rsa.RSAPublicKey) and loaded.key_size >= MIN_RSA_BITS:
        return Key(RS256, jwk.construct(loaded, RS256))
    if isinstance(loaded, ec.EllipticCurvePublicKey) and isinstance(loaded.curve, ec.SECP256R1):
        return Key(ES256, jwk.construct(loaded, ES256))
    raise _unusable_public(f"must be RSA of at least {MIN_RSA_BITS} bits (RS256) or P-256 (ES256)")


def _file_text(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("ascii")
    except (ValueError, RuntimeError):  # no text, no path that can be, no such home
        raise _unusable_public("is not a public key in PEM") from None
    except OSError as exc:
        raise _unusable_public(f"is neither PEM text nor a file that can be read ({exc.strerror})") from exc


def _unusable_public(reason: str) -> BadConfiguration:
    return BadConfiguration(f"{variable('jwt_public_key')}: {reason}")


class KeySet(msgspec.Struct, frozen=True):
    """The usable keys of a JWK set by `kid`. `only` is for tokens without a `kid`: the key, when there is just one."""

    by_kid: Mapping[str, Key]
    only: Key | None
    skipped: int

    def find(self, kid: object) -> Key | None:
        """The key named `kid`. A lookup in a dictionary: a `kid` that is a path or an injection finds nothing."""
        if kid is None:
            return self.only
        return self.by_kid.get(kid) if isinstance(kid, str) else None


def key_set(document: bytes) -> KeySet:
    """The keys in a JWK set (RFC 7517). Keys of other kinds or uses are skipped: mixed sets are common.

    Raises ValueError when `document` is no JWK set, or when it has no key that we can use.
    """
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError("is not a JWK set") from None
    if not isinstance(listed, list):
        raise ValueError("is not a JWK set")  # noqa: TRY004  (what is wrong is the document)
    usable = list(_usable(listed))
    if not usable:
        raise ValueError("has no RSA or P-256 signature key")
    by_kid: dict[str, Key] = {}
    for kid, key in usable:
        if isinstance(kid, str):
            by_kid.setdefault(kid, key)
    return KeySet(by_kid, usable[0][1] if len(usable) == 1 else None, len(listed) - len(usable))


def _usable(listed: list[Any]) -> Iterator[tuple[object, Key]]:
    for item in listed:
        key = _key_of(item) if isinstance(item, dict) else None
        if key is not None:
            yield item.get("kid"), key


def _key_of(item: dict[str, Any]) -> Key | None:
    """The key of one member, None when we cannot use it. A symmetric key is never used: JWK sets are public."""
    algorithm = {"RSA": RS256, "EC": ES256}.get(str(item.get("kty")))
    if algorithm is None or item.get("use", "sig") != "sig" or item.get("alg", algorithm) != algorithm:
        return None
    if "verify" not in item.get("key_ops", ["verify"]) or (algorithm == ES256 and item.get("crv") != "P-256"):
        return None
    try:
        prepared = jwk.construct(item, algorithm).public_key()
        bits = prepared.prepared_key.key_size
    except Exception:  # noqa: BLE001  (JWKError, but also TypeError, KeyError, ValueError for odd members)
        return None
    return Key(algorithm, prepared) if algorithm == ES256 or bits >= MIN_RSA_BITS else None
