"""Is the head of a request exactly a plain stream's, or that of a WebSocket? Pure: bytes in, a verdict out.

Strict on purpose. What is odd, legal or not, is no business of the door: Hypercorn reads it from its first byte, and
answers. So whatever two readers could take in two ways (RFC 9112, 11.2) has one reader: line ends, folded lines,
lengths, two hosts. httptools parses, and is laxer than h11 in places: what it is given is checked before, and what it
found after.
"""

import re
from enum import Enum
from typing import Final

import httptools
import msgspec

from notify_sse.web.door.handshake import wants_websocket

MAX_HEAD_BYTES: Final = 16_384
_WHOLE_LINES: Final = re.compile(rb"(?:[!-~][ -~]*\r\n)*")
_START_OF_LINE: Final = re.compile(rb"(?:[!-~][ -~]*)?\r?")
_TARGET: Final = re.compile(rb"[!-~]+")
_FOREIGN: Final = frozenset((b"content-length", b"transfer-encoding", b"expect"))
"""A body, or a question to be answered first."""


class Undecided(Enum):
    """What a head is that is not the door's: not complete yet, or Hypercorn's."""

    INCOMPLETE = "incomplete"
    OTHER = "other"


class PlainRequest(msgspec.Struct, frozen=True):
    """A plain stream's request. Names of headers are in lower case, as in ASGI."""

    query: bytes
    headers: list[tuple[bytes, bytes]]


class UpgradeRequest(msgspec.Struct, frozen=True):
    """The request for a WebSocket. `behind` is what came after the head: the first frames."""

    query: bytes
    headers: list[tuple[bytes, bytes]]
    behind: bytes


class Paths(msgspec.Struct, frozen=True):
    """Of the stream and of the WebSocket, as they are written. A proxy may leave `root` before them; such requests are
    Hypercorn's first.
    """

    stream: bytes
    websocket: bytes
    root: bytes = b""


class _Request:
    """Takes what httptools finds."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" ")))


def read(data: bytes, *, paths: Paths) -> PlainRequest | UpgradeRequest | Undecided:
    """What the first bytes of a connection are. `OTHER` as soon as they can become nothing else.

    A stream's client waits for its answer: whoever sends more behind the head is Hypercorn's, with all its bytes. What
    stands behind a WebSocket's head is no second request, whoever reads it: the connection is upgraded or ended.
    """
    for path in (paths.stream, paths.websocket):
        start = b"GET " + path
        if data.startswith(start):
            return _read(data, path, is_websocket=path == paths.websocket)
        if start.startswith(data):
            return Undecided.INCOMPLETE
    return Undecided.OTHER


def _read(data: bytes, path: bytes, *, is_websocket: bool) -> PlainRequest | UpgradeRequest | Undecided:
    after = len(b"GET ") + len(path)
    if len(data) > MAX_HEAD_BYTES or data[after : after + 1] not in (b"", b" ", b"?"):
        return Undecided.OTHER
    end = _end_of_lines(data)
    if not data.startswith(b"\r\n", end):
        return Undecided.INCOMPLETE if _START_OF_LINE.fullmatch(data, end) else Undecided.OTHER
    head, behind = data[: end + 2], data[end + 2 :]
    if is_websocket:
        return _upgrade(head, path, behind)
    return Undecided.OTHER if behind else _plain(head, path)


def _end_of_lines(data: bytes) -> int:
    whole = _WHOLE_LINES.match(data)
    return whole.end() if whole else 0


def _plain(head: bytes, path: bytes) -> PlainRequest | Undecided:
    request, upgrades = _parsed(head)
    query = _query(request, head, path)
    if query is None or upgrades or any(name == b"upgrade" for name, _ in request.headers):
        return Undecided.OTHER
    return PlainRequest(query, request.headers)


def _upgrade(head: bytes, path: bytes, behind: bytes) -> UpgradeRequest | Undecided:
    request, upgrades = _parsed(head)
    query = _query(request, head, path)
    if query is None or not upgrades or not wants_websocket(request.headers):
        return Undecided.OTHER
    return UpgradeRequest(query, request.headers, behind)


def _parsed(head: bytes) -> tuple[_Request, bool]:
    """What httptools finds (no target: nothing that it takes), and whether it is to change the protocol."""
    request = _Request()
    try:
        httptools.HttpRequestParser(request).feed_data(head)
    except httptools.HttpParserUpgrade:
        return request, True
    except httptools.HttpParserError:
        return _Request(), False
    return request, False


def _query(request: _Request, head: bytes, path: bytes) -> bytes | None:
    """The query of a request that is beyond doubt; None for any other."""
    # httptools takes spaces and versions that h11 does not: what it found must be what stands there.
    if not head.startswith(b"GET %b HTTP/1.1\r\n" % request.target) or not _TARGET.fullmatch(request.target):
        return None
    names = [name for name, _ in request.headers]
    if names.count(b"host") != 1 or not _FOREIGN.isdisjoint(names):
        return None
    target_path, _, query = request.target.partition(b"?")
    return query if target_path == path else None
