"""Frames: an event, encoded once for every stream that sends it; and control events in the same format.

The format is the event stream of the WHATWG HTML standard, section 9.2. Pure: values in, bytes out. An `id` goes only
on events with data, because Firefox drops it elsewhere.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from notify_sse.core.control import ControlEvent
from notify_sse.core.model import Event

RESERVED: Final = frozenset(("connected", "heartbeat", "reset", "expiring", "closing", "open", "error"))
"""Types that never stand in `event:`: a client would take them for an event of the stream, or of EventSource."""
_ID: Final = b"id: "
_DATA: Final = b"\ndata: "
_END: Final = b"\n\n"
_ESCAPES: Final = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "\x85\u2028\u2029")
_encode = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True, gc=False):
    """An event as it goes out. `block` is its form in the event stream: `id: <cursor>`, `data: <body>`, a blank line.

    The cursor and the body are kept as slices of the block, so that they cost nothing until a transport with another
    form (WebSocket, the history) asks for them. `body_at` is where the body begins. `committed_s`: when it was
    committed, as Unix time; 0 where nobody asked the log for it.
    """

    id: int
    channel: str
    type: str
    expires_ms: int
    block: bytes
    body_at: int
    committed_s: float = 0.0

    @property
    def cursor(self) -> bytes:
        """The cursor of a client that has received this event, as text."""
        return self.block[len(_ID) : self.body_at - len(_DATA)]

    @property
    def body(self) -> bytes:
        """The notification's JSON document."""
        return self.block[self.body_at : -len(_END)]


def frame(event: Event, epoch: str, *, committed_s: float = 0.0) -> Frame:
    """`event` of the log of `epoch` as its frame. A body is one line: JSON escapes every line end."""
    body = _in_one_line(event.body)
    block = b"id: %b.%d\ndata: %b\n\n" % (epoch.encode(), event.id, body)
    body_at = len(block) - len(body) - len(_END)
    return Frame(event.id, event.channel, event.type, event.expires_ms, block, body_at, committed_s)


def encode_frames(frames: Iterable[Frame], *, event_names: bool) -> bytes:
    """`frames` as one piece of the event stream. With `event_names` each has its type in `event:`, unless reserved."""
    if event_names:
        return b"".join([_named(frame) for frame in frames])
    return b"".join([frame.block for frame in frames])


def _named(frame: Frame) -> bytes:
    return frame.block if frame.type in RESERVED else b"event: %b\n%b" % (frame.type.encode(), frame.block)


def encode_control(event: ControlEvent) -> bytes:
    """`event` as a block of the event stream."""
    retry = b"retry: %d\n" % event.retry_ms if event.retry_ms is not None else b""
    cursor = b"id: %b\n" % str(event.cursor).encode() if event.cursor else b""
    return b"%b%bevent: %b\ndata: %b\n\n" % (retry, cursor, event.name.encode(), _in_one_line(_encode(event.data)))


def _in_one_line(document: bytes) -> bytes:
    """`document`, which is JSON, without the characters that are line ends to some readers and not to the format."""
    for raw, escaped in _ESCAPES:
        if raw in document:
            document = document.replace(raw, escaped)
    return document
