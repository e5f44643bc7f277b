"""Is the head of a request exactly a plain stream's, a WebSocket's or a publish's? Pure: bytes in, a verdict out.

Strict on purpose. What is odd, legal or not, is no business of the door: Hypercorn reads it from its first byte, and
answers. So whatever two readers could take in two ways (RFC 9112, 11.2) has one reader: line ends, folded lines,
lengths, two hosts. httptools parses, and is laxer than h11 in places: what it is given is checked before, and what it
found after.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

import httptools
import msgspec

from notify_sse.web.door.handshake import wants_websocket

MAX_HEAD_BYTES: Final = 16_384
MAX_FIELDS: Final = 128
"""Header fields of a request, whoever reads it. Each layer looks through all of them: a thousand are milliseconds."""
LINES_AT_ONCE: Final = 128
_FEW_LINES: Final = re.compile(rb"(?:[^\n]*+\n){%d}+" % LINES_AT_ONCE)
_WHOLE_LINES: Final = re.compile(rb"(?:[!-~][ -~]*\r\n)*")
_START_OF_LINE: Final = re.compile(rb"(?:[!-~][ -~]*)?\r?")
_TARGET: Final = re.compile(rb"[!-~]+")
_FOREIGN: Final = frozenset((b"content-length", b"transfer-encoding", b"expect"))
"""A body, or a question to be answered first."""
_FOREIGN_TO_PUBLISH: Final = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"trailer"))
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,9}")
_CLOSES: Final = {(): False, (b"keep-alive",): False, (b"close",): True}
"""What `Connection` says of a publish, and whether the connection ends with its answer."""


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


class PublishRequest(msgspec.Struct, frozen=True):
    """The request for a publish, with a body of `length` bytes. `behind` is what came after the head: the body, or its
    beginning, or the body and more. `closes`: it is the last one of its connection.
    """

    query: bytes
    headers: list[tuple[bytes, bytes]]
    length: int
    closes: bool
    behind: bytes


Request = PlainRequest | UpgradeRequest | PublishRequest
"""What the door answers."""


class Paths(msgspec.Struct, frozen=True):
    """Of the stream, the WebSocket and publishing, as they are written. A proxy may leave `root` before them; such
    requests are Hypercorn's first.
    """

    stream: bytes
    websocket: bytes
    publish: bytes
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


def read(data: bytes, *, paths: Paths) -> Request | Undecided:
    """What the first bytes of a request are. `OTHER` as soon as they can become nothing else.

    A stream's client waits for its answer: whoever sends more behind the head is Hypercorn's, with all its bytes. What
    stands behind a WebSocket's head is no second request, whoever reads it: the connection is upgraded or ended. A
    publish says how long its body is, in the one way that nobody reads differently.
    """
    for method, path, kind in (
        (b"GET", paths.stream, _plain),
        (b"GET", paths.websocket, _upgrade),
        (b"POST", paths.publish, _publish),
    ):
        start = b"%b %b" % (method, path)
        if data.startswith(start):
            return _read(data, start, kind)
        if start.startswith(data):
            return Undecided.INCOMPLETE
    return Undecided.OTHER


def few_lines(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """`data` in parts of `LINES_AT_ONCE` lines at most, each with what is behind it."""
    at, whole = 0, memoryview(data)
    while (part := _FEW_LINES.match(data, at)) and part.end() < len(data):
        at = part.end()
        yield part.group(), whole[at:]
    yield data[at:], whole[:0]


def _read(data: bytes, start: bytes, kind: Callable[[bytes, bytes, bytes], Request | Undecided]) -> Request | Undecided:
    """The request that begins with `start`, of that `kind` if it is one."""
    if data[len(start) : len(start) + 1] not in (b"", b" ", b"?"):
        return Undecided.OTHER
    end = _end_of_lines(data)
    if end + 2 > MAX_HEAD_BYTES:
        return Undecided.OTHER
    if not data.startswith(b"\r\n", end):
        is_within = len(data) <= MAX_HEAD_BYTES and _START_OF_LINE.fullmatch(data, end)
        return Undecided.INCOMPLETE if is_within else Undecided.OTHER
    return kind(data[: end + 2], start, data[end + 2 :])


def _end_of_lines(data: bytes) -> int:
    whole = _WHOLE_LINES.match(data)
    return whole.end() if whole else 0


def _plain(head: bytes, start: bytes, behind: bytes) -> PlainRequest | Undecided:
    request, upgrades = _parsed(head)
    query = _query(request, head, start, foreign=_FOREIGN)
    if behind or query is None or upgrades or any(name == b"upgrade" for name, _ in request.headers):
        return Undecided.OTHER
    return PlainRequest(query, request.headers)


def _upgrade(head: bytes, start: bytes, behind: bytes) -> UpgradeRequest | Undecided:
    request, upgrades = _parsed(head)
    query = _query(request, head, start, foreign=_FOREIGN)
    if query is None or not upgrades or not wants_websocket(request.headers):
        return Undecided.OTHER
    return UpgradeRequest(query, request.headers, behind)


def _publish(head: bytes, start: bytes, behind: bytes) -> PublishRequest | Undecided:
    request, upgrades = _parsed(head)
    query = _query(request, head, start, foreign=_FOREIGN_TO_PUBLISH)
    lengths = [value for name, value in request.headers if name == b"content-length"]
    closes = _CLOSES.get(tuple(value.lower() for name, value in request.headers if name == b"connection"))
    # Where the body ends is where the next request begins: nothing of that is left to interpretation.
    if query is None or upgrades or closes is None or len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        return Undecided.OTHER
    return PublishRequest(query, request.headers, int(lengths[0]), closes, behind)


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


def _query(request: _Request, head: bytes, start: bytes, *, foreign: frozenset[bytes]) -> bytes | None:
    """The query of a request that is beyond doubt; None for any other."""
    # httptools takes spaces and versions that h11 does not: what it found must be what stands there.
    method, _, path = start.partition(b" ")
    if not head.startswith(b"%b %b HTTP/1.1\r\n" % (method, request.target)) or not _TARGET.fullmatch(request.target):
        return None
    names = [name for name, _ in request.headers]
    if len(names) > MAX_FIELDS or names.count(b"host") != 1 or not foreign.isdisjoint(names):
        return None
    target_path, _, query = request.target.partition(b"?")
    return query if target_path == path else None
