"""Heads of requests as nobody would write them: odd but legal, illegal, cut short, in pieces. Made from a seed."""

from random import Random
from typing import Final

import msgspec

from tests.web.door.heads import UPGRADE

_BODIES: Final = (b"{}", b"[]", b"", b"x", b'{"a":1}', b"[" * 100)
_LENGTHS: Final = (b"", b"x", b"+2", b"0x2", b"02", b"2, 2", b"-1", b"1_0", b"\xb2")

ORIGIN: Final = b"https://app.example.org"
_QUERIES: Final = (
    b"",
    b"?",
    b"?topics=all",
    b"?topics=secrets",
    b"?event_names=type",
    b"?event_names=id",
    b"?last_event_id=x.1",
    b"?last_event_id=%00",
    b"?access_token=no",
    b"?a b",
    b"?a\tb",
    b"?\xc3\xa4",
    b"?a?b#c",
    b"?%",
    b"#x",
)
_TARGETS: Final = (
    b"/notifications/%73tream",
    b"/notifications/stream/",
    b"/notifications/streams",
    b"//notifications/stream",
    b"/notifications/./stream",
    b"http://x/notifications/stream",
    b"/healthz",
    b"*",
    b"",
)
_METHODS: Final = (b"HEAD", b"POST", b"get", b"OPTIONS", b"G(T", b"")
_VERSIONS: Final = (b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/11", b"")
_HEADERS: Final = (
    b"Accept: text/event-stream",
    b"Accept: */*",
    b"accept:text/event-stream",
    b"ACCEPT: \t text/event-stream  ",
    b"Origin: " + ORIGIN,
    b"Origin: https://elsewhere.example.org",
    b"Cookie: a=b; c=d",
    b"Cache-Control: no-cache",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: keep-alive, close",
    b"Proxy-Connection: keep-alive",
    b"TE: trailers",
    b"Last-Event-ID: x.1",
    b"Last-Event-ID:",
    b"X-Empty:",
    b"X-Long: " + b"a" * 9000,
    b"!#$%&'*+.^_`|~: token",
    b"X: " + bytes(range(0x21, 0x7F)),
)
_ODD_HEADERS: Final = (
    b"Host: y",
    b"Content-Length: 0",
    b"Content-Length: 00",
    b"Content-Length: +1",
    b"Content-Length: 1, 1",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding : chunked",
    b"Expect: 100-continue",
    b"Upgrade: h2c",
    b"Upgrade: x",
    b"X : space",
    b"X\t: tab",
    b" folded",
    b"\tfolded",
    b"no colon",
    b": no name",
    b"X(y): z",
    b"X: a\tb",
    b"X: a\0b",
    b"X: a\x0bb",
    b"X: a\x7fb",
    b"X: \xe4",
    b"X\xe4: a",
    b"X: a\rb",
    b"Authorization: Bearer",
)

_ODD_UPGRADE: Final = (
    b"Upgrade: WEBSOCKET",
    b"Upgrade: websocket, h2c",
    b"Connection: upgrade",
    b"Connection: close",
    b"Sec-WebSocket-Key: AAAA",
    b"Sec-WebSocket-Version: 8",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Protocol: chat, superchat",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
)


class Case(msgspec.Struct, frozen=True):
    """The bytes of one request, in the pieces in which they are sent."""

    pieces: tuple[bytes, ...]

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def case(seed: int, *, token: str) -> Case:
    """One of them. Most are plain streams but for one or two oddities. No publish is one that is stored: what is
    stored has an answer that is like no other.
    """
    random = Random(seed)
    if random.random() < 0.3:
        return _publish(random, token)
    websocket = random.random() < 0.3
    path = b"/notifications/ws" if websocket else b"/notifications/stream"
    head = _request_line(random, path) + _headers(random, token, _upgrade(random) if websocket else [])
    head += _line_end(random)
    if random.random() < 0.05:
        head = head[: random.randrange(1, len(head))]
    behind = random.choice((b"\r\n", b"x", b"0\r\n\r\n", head)) if random.random() < 0.1 else b""
    if b"Transfer-Encoding: chunked" in head:
        behind = b"0\r\n\r\n"  # else who reads it waits for it
    return Case(_cut(random, head, behind))


def _cut(random: Random, head: bytes, behind: bytes) -> tuple[bytes, ...]:
    """A head in pieces, and in the last one what is behind it: it may be answered before that is read."""
    # What no request can begin with is refused at its first byte: the rest would come to a closed socket.
    at_most = random.choice((0, 0, 1, 2)) if head[:1] > b" " else 0
    cuts = sorted({random.randrange(1, max(2, len(head))) for _ in range(at_most)})
    pieces = [head[start:end] for start, end in zip([0, *cuts], [*cuts, len(head)], strict=True)]
    return (*pieces[:-1], pieces[-1] + behind)


def _publish(random: Random, token: str) -> Case:
    """A publish that is refused, mostly for its body."""
    body = random.choice(_BODIES)
    lengths = [random.choice(_LENGTHS) if random.random() < 0.1 else b"%d" % len(body)] * random.choice(
        (0, 2, *[1] * 20)
    )
    more = [random.choice((b"Content-Length", b"content-length")) + b": " + length for length in lengths]
    line = _request_line(random, b"/notifications", method=b"POST")
    start = line + _headers(random, token, more) + _line_end(random)
    if b"Transfer-Encoding: chunked" in start:
        body = b"0\r\n\r\n"
    return Case(_cut(random, start, body))


def _upgrade(random: Random) -> list[bytes]:
    """What makes it a WebSocket's, mostly."""
    lines = list(UPGRADE)
    if random.random() < 0.3:
        lines.pop(random.randrange(len(lines)))
    if random.random() < 0.3:
        lines.append(random.choice(_ODD_UPGRADE))
    return lines


def _request_line(random: Random, path: bytes, *, method: bytes = b"GET") -> bytes:
    def odd() -> bool:
        return random.random() < 0.06

    method = random.choice(_METHODS) if odd() else method
    target = random.choice(_TARGETS) if odd() else path + random.choice(_QUERIES[:7])
    if odd():
        target = path + random.choice(_QUERIES)
    version = random.choice(_VERSIONS) if odd() else b"HTTP/1.1"
    space = random.choice((b"  ", b"\t", b"")) if odd() else b" "
    other_space = random.choice((b"  ", b"\t", b"")) if odd() else b" "
    return (b"\r\n" if odd() else b"") + method + space + target + other_space + version + _line_end(random)


def _headers(random: Random, token: str, more: list[bytes]) -> bytes:
    lines = [b"Host: x"] * random.choice((0, 1, *[1] * 20, 2)) + more
    lines += random.sample(_HEADERS, random.randrange(6))
    if random.random() < 0.8:
        lines.append(
            random.choice((b"Authorization", b"authorization", b"AUTHORIZATION")) + b": Bearer " + token.encode()
        )
    if random.random() < 0.3:
        lines.append(random.choice(_ODD_HEADERS))
    random.shuffle(lines)
    return b"".join(line + _line_end(random) for line in lines)


def _line_end(random: Random) -> bytes:
    return random.choice((b"\n", b"\r", b"\r\r\n")) if random.random() < 0.01 else b"\r\n"
