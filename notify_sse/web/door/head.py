"""Is the head of a request exactly a plain stream's? Pure: bytes in, a verdict out.

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

MAX_HEAD_BYTES: Final = 16_384
_WHOLE_LINES: Final = re.compile(rb"(?:[!-~][ -~]*\r\n)*")
_START_OF_LINE: Final = re.compile(rb"(?:[!-~][ -~]*)?\r?")
_TARGET: Final = re.compile(rb"[!-~]+")
_FOREIGN: Final = frozenset((b"content-length", b"transfer-encoding", b"upgrade", b"expect"))
"""A body, another protocol, or a question to be answered first."""


class Undecided(Enum):
    """What a head is that is no plain stream's: not complete yet, or Hypercorn's."""

    INCOMPLETE = "incomplete"
    OTHER = "other"


class PlainRequest(msgspec.Struct, frozen=True):
    """A plain stream's request. Names of headers are in lower case, as in ASGI."""

    query: bytes
    headers: list[tuple[bytes, bytes]]


class _Request:
    """Takes what httptools finds."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" ")))


def read(data: bytes, *, path: bytes) -> PlainRequest | Undecided:
    """What the first bytes of a connection are. `OTHER` as soon as they can become nothing else.

    A stream's client waits for its answer: whoever sends more behind the head is Hypercorn's, with all its bytes.
    """
    start = b"GET " + path
    if not data.startswith(start):
        return Undecided.INCOMPLETE if start.startswith(data) else Undecided.OTHER
    if len(data) > MAX_HEAD_BYTES or data[len(start) : len(start) + 1] not in (b"", b" ", b"?"):
        return Undecided.OTHER
    end = _end_of_lines(data)
    if data.startswith(b"\r\n", end):
        return _parse(data, path) if end + 2 == len(data) else Undecided.OTHER
    return Undecided.INCOMPLETE if _START_OF_LINE.fullmatch(data, end) else Undecided.OTHER


def _end_of_lines(data: bytes) -> int:
    whole = _WHOLE_LINES.match(data)
    return whole.end() if whole else 0


def _parse(data: bytes, path: bytes) -> PlainRequest | Undecided:
    request = _Request()
    parser = httptools.HttpRequestParser(request)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return Undecided.OTHER
    # httptools takes spaces and versions that h11 does not: what it found must be what stands there.
    if not data.startswith(b"GET %b HTTP/1.1\r\n" % request.target) or not _TARGET.fullmatch(request.target):
        return Undecided.OTHER
    names = [name for name, _ in request.headers]
    if names.count(b"host") != 1 or not _FOREIGN.isdisjoint(names):
        return Undecided.OTHER
    target_path, _, query = request.target.partition(b"?")
    return PlainRequest(query, request.headers) if target_path == path else Undecided.OTHER
