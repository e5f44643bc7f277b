"""Frames: an event, encoded once for every stream that sends it; and control events in the same format.

The format is the event stream of the WHATWG HTML standard, section 9.2. Pure: values in, bytes out. An `id` goes only
on events with data, because Firefox drops it elsewhere.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from notify_sse.core.control import ControlEvent
from notify_sse.core.model import GONE, OWN, PASSED_OVER_MS, READ, RECALLED, Event

RESERVED: Final = frozenset(
    ("connected", "heartbeat", "reset", "expiring", "closing", "read", "recalled", "open", "error")
)
"""Types that never stand in `event:`: a client would take them for an event of the stream, or of EventSource."""
MESSAGE: Final = "message"
"""The name of a notification's event."""
_SENT: Final = {READ: "read", RECALLED: "recalled"}
"""What the service itself writes to the log and sends: type → the event's name. All else of its own stays here."""
_ID: Final = b"id: "
_DATA: Final = b"\ndata: "
_END: Final = b"\n\n"
_ESCAPES: Final = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "\x85\u2028\u2029")
_encode = msgspec.json.Encoder().encode


class Frame(msgspec.Struct, frozen=True, gc=False):
    """An event as it goes out. `block` is its form in the event stream: `id: <cursor>`, `data: <body>`, a blank line;
    before them `event: <name>`, unless it is a notification. What goes to no client has an empty block.

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
    silent: bool = False
    erases: int = 0

    @property
    def own(self) -> bool:
        """Whether it is no notification: the service wrote it."""
        return self.type.startswith(OWN)

    @property
    def name(self) -> str:
        """The event's name, for transports in which each has one."""
        return _SENT.get(self.type, MESSAGE)

    @property
    def cursor(self) -> bytes:
        """The cursor of a client that has received this event, as text."""
        return self.block[self.block.index(_ID) + len(_ID) : self.body_at - len(_DATA)]

    @property
    def body(self) -> bytes:
        """The notification's JSON document, or the data of the service's own event."""
        return self.block[self.body_at : -len(_END)]


def frame(event: Event, epoch: str, *, committed_s: float = 0.0) -> Frame:
    """`event` of the log of `epoch` as its frame. A body is one line: JSON escapes every line end."""
    if event.type.startswith(OWN):
        return _own_frame(event, epoch)
    body = _in_one_line(event.body)
    block = b"id: %b.%d\ndata: %b\n\n" % (epoch.encode(), event.id, body)
    body_at = len(block) - len(body) - len(_END)
    return Frame(event.id, event.channel, event.type, event.expires_ms, block, body_at, committed_s, event.silent)


def _own_frame(event: Event, epoch: str) -> Frame:
    """The frame of what the service itself wrote. One that is sent never expires; one that is not has no content."""
    name = _SENT.get(event.type)
    if name is None:
        return Frame(event.id, event.channel, event.type, PASSED_OVER_MS, b"", 0, silent=True, erases=event.erases)
    body = _in_one_line(event.body)
    block = b"event: %b\nid: %b.%d\ndata: %b\n\n" % (name.encode(), epoch.encode(), event.id, body)
    return Frame(
        event.id,
        event.channel,
        event.type,
        0,
        block,
        len(block) - len(body) - len(_END),
        silent=True,
        erases=event.erases,
    )


def emptied(frame: Frame) -> Frame:
    """`frame` as it stands in a tail after its notification was recalled or erased: it has its place only."""
    return Frame(frame.id, frame.channel, GONE, PASSED_OVER_MS, b"", 0, silent=True)


def encode_frames(frames: Sequence[Frame], *, event_names: bool) -> bytes:
    """`frames` as one piece of the event stream. With `event_names` each has its type in `event:`, unless reserved."""
    if event_names:
        return b"".join([_named(frame) for frame in frames])
    return frames[0].block if len(frames) == 1 else b"".join([frame.block for frame in frames])


def _named(frame: Frame) -> bytes:
    return frame.block if frame.type in RESERVED or frame.own else b"event: %b\n%b" % (frame.type.encode(), frame.block)


def piece_of(frames: list[Frame], start: int, *, max_bytes: int) -> list[Frame]:
    """The frames from `start` that fill a piece of `max_bytes`; at least one."""
    size = 0
    for place in range(start, len(frames)):
        size += len(frames[place].block)
        if size > max_bytes and place > start:
            return frames[start:place]
    return frames[start:] if start else frames


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
