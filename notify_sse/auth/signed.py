"""A signed token taken apart, and whose signature it has (JWS, RFC 7515: 5.2, 7.1). Pure.

An issuer writes the same header into each of its tokens, and python-jose's `verify` reads it anew each time, once more
than `get_unverified_header` before it. Here a header is read once.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from jose import jws
from jose.utils import base64url_decode

from notify_sse.auth.keys import Key
from notify_sse.errors import TokenRefused

# Exactly three base64url parts. Five would be an encrypted token; and python-jose ignores foreign characters.
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_HEADERS: Final = 32
"""Different headers that are remembered. Each is at most as long as a token may be."""


class Signed(msgspec.Struct, frozen=True):
    """A token's parts. `content` is what its `signature` is of; `claims` are JSON, if it is good."""

    header: Mapping[str, Any]
    claims: bytes
    content: bytes
    signature: bytes

    def is_by(self, key: Key) -> bool:
        """Whether it is signed by `key`, with that key's one algorithm."""
        if self.header.get("alg") != key.algorithm:
            return False
        try:
            return bool(key.prepared.verify(self.content, self.signature))
        except Exception:  # noqa: BLE001  (the libraries raise what they like for a signature that is none)
            return False


def take_apart(token: str) -> Signed:
    """The parts of `token`. Raises `TokenRefused` when it has not three, and whatever the libraries do for one that
    cannot be read.
    """
    found = _SHAPE.fullmatch(token)
    if found is None:
        raise TokenRefused("malformed", "not three base64url parts")
    header, claims, signature = found.groups()
    return Signed(
        header=_header_of(header),
        claims=base64url_decode(claims.encode()),
        content=token[: found.end(2)].encode(),
        signature=base64url_decode(signature.encode()),
    )


@lru_cache(maxsize=_HEADERS)
def _header_of(part: str) -> Mapping[str, Any]:
    header: Mapping[str, Any] = jws.get_unverified_header(f"{part}..")
    return header
