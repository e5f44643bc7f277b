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
    start = at + LONG.size
    end = start + int.from_bytes(payload[at:start], "big")
    if payload.find(_NAME, start, end) < 0:
        return None
    # No further than needed: most publishers set the first header only.
    wanted = 1 if payload.find(_STATE, start, end) < 0 else 2
    try:
        return context_in(_texts(payload, start, end, wanted=wanted))
    except (IndexError, struct.error):  # it is no table
        return None


def context_in(headers: Mapping[str, Any]) -> TraceContext | None:
    """The context in headers that were read already."""
    return TraceContext.of(headers.get(TRACEPARENT), headers.get(TRACESTATE))


def headers_of(trace: TraceContext) -> dict[str, Any]:
    """`trace` as the headers of a message."""
    headers = {TRACEPARENT: trace.traceparent}
    return headers | {TRACESTATE: trace.tracestate} if trace.tracestate else headers


def _texts(payload: bytes, at: int, end: int, *, wanted: int) -> dict[str, Any]:
    """The trace's headers that are text, until `wanted` are found, or one of a kind comes that is not known."""
    found: dict[str, Any] = {}
    while at < end:
        after = at + 1 + payload[at]
        name, kind = payload[at + 1 : after], payload[after]
        at = after + 1
        if kind in _COUNTED:
            size = LONG.unpack_from(payload, at)[0]
            at += LONG.size
            if name in _NAMES and kind in _TEXT:
                found[_NAMES[name]] = payload[at : at + size].decode(errors="replace")
                if len(found) == wanted:
                    break
        elif kind in _BYTES:
            size = _BYTES[kind]
        else:
            break
        at += size
    return found
