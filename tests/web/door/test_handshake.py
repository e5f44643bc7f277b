"""What asks for a WebSocket, and what is wrong with it; no extension is ever agreed on."""

import pytest

from notify_sse.web.door.handshake import accepted, mistake, wants_websocket

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD = [
    (b"host", b"x"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
]


def _with(name: bytes, *values: bytes) -> list[tuple[bytes, bytes]]:
    return [header for header in GOOD if header[0] != name] + [(name, value) for value in values]


@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        _with(b"upgrade", b"WebSocket"),
        _with(b"connection", b"keep-alive, Upgrade"),
        _with(b"connection", b"keep-alive", b"UPGRADE"),
        _with(b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"),
        _with(b"content-length", b"0"),
    ],
    ids=repr,
)
def test_a_good_one_is_accepted_without_extensions(headers: list[tuple[bytes, bytes]]) -> None:
    """The answer is that of RFC 6455, 1.3."""
    assert wants_websocket(headers)
    assert mistake(headers) is None
    assert accepted(headers) == [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        _with(b"upgrade"),
        _with(b"upgrade", b"h2c"),
        _with(b"upgrade", b"websockets"),
        _with(b"connection"),
        _with(b"connection", b"keep-alive"),
    ],
    ids=repr,
)
def test_others_are_no_wish_for_one(headers: list[tuple[bytes, bytes]]) -> None:
    assert not wants_websocket(headers)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (b"sec-websocket-key", []),
        (b"sec-websocket-key", [b""]),
        (b"sec-websocket-key", [KEY, KEY]),
        (b"sec-websocket-key", [KEY[:-4]]),
        (b"sec-websocket-key", [b"dGhlIHNhbXBsZSBub25jZQ="]),
        (b"sec-websocket-key", [b"dGhl*HNhbXBsZSBub25jZQ=="]),
        (b"sec-websocket-version", []),
        (b"sec-websocket-version", [b"8"]),
        (b"sec-websocket-version", [b"13", b"8"]),
        (b"content-length", [b"5"]),
        (b"content-length", [b"0", b"5"]),
        (b"transfer-encoding", [b"chunked"]),
    ],
)
def test_a_mistake_is_named(name: bytes, values: list[bytes]) -> None:
    wrong = mistake(_with(name, *values))
    assert wrong is not None
    assert wrong.header in (name.decode(), "content-length")
