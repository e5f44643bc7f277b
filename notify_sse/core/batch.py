"""An array of notifications is taken apart, in steps of which each costs little.

The whole of a large one would not be a small step: an array of 8 MiB may have four million items, and splitting that at
once takes 0.4 s and 300 MB. So an item is one step there, and there are no more steps than items are allowed. Pure.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from notify_sse.core.faults import NOT_MSGPACK, Fault, after_blank, blame_batch
from notify_sse.core.media import MSGPACK, Kind
from notify_sse.errors import BadNotification

AT_ONCE_BYTES: Final = 262_144
"""An array of JSON up to that is split in one step: it has at most 130,000 items, in some milliseconds."""
_MSGPACK_ARRAYS: Final = frozenset([*(bytes([first]) for first in range(0x90, 0xA0)), b"\xdc", b"\xdd"])
_FIXARRAY: Final = 0x90
_SIZES: Final = {0xDC: 2, 0xDD: 4}
"""How many bytes behind the first one say how many items there are."""
_STRUCTURE: Final = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|([\[\]{}])|\Z)', re.DOTALL)
"""Up to the end of a string, of one that does not end, or of the next bracket. Each byte is looked at once."""
_SCALAR: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[^,\]\[{}" \t\r\n]+', re.DOTALL)
_OPEN: Final = frozenset((b"[", b"{"))


def is_batch(raw: bytes, content_type: Kind) -> bool:
    """Whether `raw` is an array, by its first byte."""
    if content_type == MSGPACK:
        return raw[:1] in _MSGPACK_ARRAYS
    return raw.lstrip()[:1] == b"["


def split_batch(
    raw: bytes, content_type: Kind, *, max_items: int, max_bytes: int
) -> Iterator[list[msgspec.Raw] | None]:
    """The items of an array, some with each step, as the bytes that were sent: each is measured as published.

    Ends with None for what is no array: `faults_of_batch` says why. Raises `BadNotification` when there are none or
    more than `max_items`, or one is over `max_bytes`.
    """
    if content_type == MSGPACK:
        return _split_msgpack(raw, max_items)
    if len(raw) <= AT_ONCE_BYTES:
        return _at_once(msgspec.json.decode, raw, max_items)
    return _step_through_json(raw, max_items, max_bytes)


def faults_of_batch(raw: bytes, content_type: Kind, *, max_items: int) -> Iterator[Fault | None]:
    """Why `raw` cannot be split, in steps of which each costs little: None until it is known."""
    return iter((NOT_MSGPACK,)) if content_type == MSGPACK else blame_batch(raw, max_items=max_items)


def _split_msgpack(raw: bytes, max_items: int) -> Iterator[list[msgspec.Raw] | None]:
    size = _SIZES.get(raw[0], 0)
    count = int.from_bytes(raw[1 : 1 + size], "big") if size else raw[0] - _FIXARRAY
    if count > max_items and len(raw) > size:  # before they are made: each is one byte of the body, and fifty here
        _check(count, max_items)
    yield from _at_once(msgspec.msgpack.decode, raw, max_items)


def _at_once(decode: Callable[..., Any], raw: bytes, max_items: int) -> Iterator[list[msgspec.Raw] | None]:
    try:
        items: list[msgspec.Raw] = decode(raw, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield None
    else:
        _check(len(items), max_items)
        yield items


def _step_through_json(raw: bytes, max_items: int, max_bytes: int) -> Iterator[list[msgspec.Raw] | None]:
    at, count = after_blank(raw, after_blank(raw, 0) + 1), 0
    if _ends(raw, at):
        _check(0, max_items)
    while True:
        if count == max_items:
            _check(count + 1, max_items)
        end = _end_of_item(raw, at, limit=min(len(raw), at + max_bytes + 1))
        if end - at > max_bytes:
            detail = f"is over {max_bytes} bytes; at most {max_bytes} are allowed"
            raise BadNotification(field=f"[{count}].body", reason="too_large", detail=detail)
        item = _item(raw[at:end])
        if item is None:
            break
        yield [item]
        count += 1
        at = after_blank(raw, end)
        if _ends(raw, at):
            return
        if raw[at : at + 1] != b",":
            break
        at = after_blank(raw, at + 1)
    yield None


def _ends(raw: bytes, at: int) -> bool:
    return raw[at : at + 1] == b"]" and after_blank(raw, at + 1) == len(raw)


def _item(raw: bytes) -> msgspec.Raw | None:
    try:
        return msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _end_of_item(raw: bytes, at: int, *, limit: int) -> int:
    """Behind the item that begins at `at`, if it is JSON; `limit` when it does not end before."""
    if raw[at : at + 1] not in _OPEN:
        scalar = _SCALAR.match(raw, at, limit)
        return scalar.end() if scalar else at
    depth = 0
    for token in _STRUCTURE.finditer(raw, at, limit):
        bracket = token[1]
        if not bracket:
            continue
        depth += 1 if bracket in _OPEN else -1
        if not depth:
            return token.end()
    return limit


def _check(count: int, max_items: int) -> None:
    if not 1 <= count <= max_items:
        reason = "too_large" if count else "invalid_field"
        raise BadNotification(field="body", reason=reason, detail=f"must hold 1 to {max_items} notifications")
