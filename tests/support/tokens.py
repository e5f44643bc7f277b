"""The secret of the services that tests start; keys and tokens, made by hand where no library would make them."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jwt

SECRET = "a secret for tests only, of over 32 bytes"
NOW = 1_800_000_000.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good token; a change to None-like `...` takes the claim out."""
    good = {"sub": "alice", "aud": "notify-sse", "exp": NOW + 300, "iat": NOW}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def forged(header: Any, body: Any, *, secret: str | bytes = SECRET) -> str:
    """A token with exactly this header and body, with an HS256 signature by `secret`."""
    return signed(f"{b64(header)}.{b64(body)}", secret=secret)


def signed(signing_input: str, *, secret: str | bytes = SECRET) -> str:
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signing_input}.{b64(hmac.new(key, signing_input.encode(), hashlib.sha256).digest())}"


def token(key: str | PrivateKey = SECRET, *, kid: str | None = None, **changes: Any) -> str:
    """A good token by `key`, but for `changes` to its claims."""
    made: str = jwt.encode(
        claims(**changes),
        key if isinstance(key, str) else private_pem(key),
        algorithm=algorithm(key),
        headers={"kid": kid} if kid else None,
    )
    return made


def algorithm(key: str | PrivateKey) -> str:
    if isinstance(key, str):
        return "HS256"
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: PrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_jwk(key: PrivateKey, kid: str | None) -> dict[str, Any]:
    """As issuers publish it."""
    described: dict[str, Any] = jwk.construct(public_pem(key), algorithm(key)).to_dict() | {"use": "sig"}
    return described | ({"kid": kid} if kid else {})


def jwk_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()
