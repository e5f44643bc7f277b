"""The headers of W3C Trace Context on a message: `traceparent` and `tracestate`.

Read out of the table of headers as it came off the socket, and out of nothing else in it: a header that Python cannot
hold must not hurt (see `wire`). A message without them costs one look for the name. Nothing here raises.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final

from notify_sse.core.model import TraceContext

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
LONG: Final = struct.Struct(">I")
_NAME: Final = TRACEPARENT.encode()
_STATE: Final = TRACESTATE.encode()
_NAMES: Final = {_NAME: TRACEPARENT, _STATE: TRACESTATE}
_NAME_BYTES: Final = frozenset(map(len, _NAMES))
_LONG_FROM: Final = LONG.unpack_from
USUAL_BYTES: Final = 55
"""Of a `traceparent` of version 00, the only one that is defined."""
_USUAL: Final = bytes((len(_NAME),)) + _NAME + b"S" + LONG.pack(USUAL_BYTES)
"""The field of such a header, up to its value."""
_TEXT: Final = b"Sx"
"""A long string, and bytes, which some libraries make of a text."""
_COUNTED: Final = b"SxFA"
_BYTES: Final = {
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"sUu", 2),
    **dict.fromkeys(b"Iif", 4),
    **dict.fromkeys(b"D", 5),
    **dict.fromkeys(b"lLdT", 8),
    **dict.fromkeys(b"V", 0),
}
"""The other kinds of a value, by the size of one (RabbitMQ's errata to AMQP 0-9-1, section 3)."""


def context_in_table(payload: bytes, at: int) -> TraceContext | None:
    """The context in the table of headers that stands in `payload` from `at`; None when there is none."""
    try:
        start = at + LONG.size
        end = start + _LONG_FROM(payload, at)[0]
        name_at = payload.find(_NAME, start, end)
        if name_at < 0:
            return None
        has_state = payload.find(_STATE, start, end) >= 0
        if not has_state and payload.startswith(_USUAL, name_at - 1) and _is_field(payload, start, name_at - 1):
            value_at = name_at - 1 + len(_USUAL)
            return TraceContext(payload[value_at : value_at + USUAL_BYTES].decode("utf-8", "replace"))
        # No further than needed: most publishers set the first header only.
        return context_in(_texts(payload, start, end, wanted=2 if has_state else 1))
    except (IndexError, struct.error):  # it is no table
        return None


def context_in(headers: Mapping[str, Any]) -> TraceContext | None:
    """The context in headers that were read already."""
    return TraceContext.of(headers.get(TRACEPARENT), headers.get(TRACESTATE))


def headers_of(trace: TraceContext) -> dict[str, Any]:
    """`trace` as the headers of a message."""
    headers = {TRACEPARENT: trace.traceparent}
    return headers | {TRACESTATE: trace.tracestate} if trace.tracestate else headers


def _is_field(payload: bytes, at: int, place: int) -> bool:
    """Whether a field of the table that begins `at` begins at `place`: what stands there may be within a value."""
    while at < place:
        at += 1 + payload[at]
        kind = payload[at]
        if kind in _COUNTED:
            at += 1 + LONG.size + _LONG_FROM(payload, at + 1)[0]
        elif kind in _BYTES:
            at += 1 + _BYTES[kind]
        else:
            break
    return at == place


def _texts(payload: bytes, at: int, end: int, *, wanted: int) -> dict[str, Any]:
    """The trace's headers that are text, until `wanted` are found, or one of a kind comes that is not known."""
    found: dict[str, Any] = {}
    while at < end:
        name_at, name_bytes = at + 1, payload[at]
        at = name_at + name_bytes + 1
        kind = payload[at - 1]
        if kind in _COUNTED:
            size = _LONG_FROM(payload, at)[0]
            at += LONG.size
            if name_bytes in _NAME_BYTES and kind in _TEXT:
                name = _NAMES.get(payload[name_at : name_at + name_bytes])
                if name is not None:
                    found[name] = payload[at : at + size].decode(errors="replace")
                    if len(found) == wanted:
                        break
        elif kind in _BYTES:
            size = _BYTES[kind]
        else:
            break
        at += size
    return found
