"""The opening handshake of a WebSocket (RFC 6455, 4.2): is it one, is it right, and what is answered. Pure.

No extension is ever agreed on: what is compressed says nothing of its size before it is inflated. Nor is a subprotocol.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

import msgspec
from wsproto.utilities import generate_accept_token

VERSION: Final = b"13"
_KEY_BYTES: Final = 16

Headers = Iterable[tuple[bytes, bytes]]


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a handshake: in which header, and how."""

    header: str
    detail: str


def wants_websocket(headers: Headers) -> bool:
    """Whether a request with these `headers`, whose names are in lower case, asks for a WebSocket."""
    headers = list(headers)
    return b"websocket" in _tokens(headers, b"upgrade") and b"upgrade" in _tokens(headers, b"connection")


def mistake(headers: Headers) -> Wrong | None:
    """What is wrong with a handshake that brings these `headers`; None when nothing is."""
    headers = list(headers)
    # What stands behind the head would be read as frames, and is the body to any other reader.
    if _values(headers, b"transfer-encoding") or set(_values(headers, b"content-length")) - {b"0"}:
        return Wrong("content-length", "a handshake has no body")
    if _values(headers, b"sec-websocket-version") != [VERSION]:
        return Wrong("sec-websocket-version", f"must be {VERSION.decode()}")
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return Wrong("sec-websocket-key", f"must be {_KEY_BYTES} bytes in base64, once")
    return None


def accepted(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers that accept a handshake which brings these, and in which nothing is wrong."""
    (key,) = _values(list(headers), b"sec-websocket-key")
    return [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", generate_accept_token(key)),
    ]


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value.strip() for name, value in headers if name == wanted]


def _tokens(headers: Headers, wanted: bytes) -> list[bytes]:
    return [token.strip().lower() for value in _values(headers, wanted) for token in value.split(b",")]
