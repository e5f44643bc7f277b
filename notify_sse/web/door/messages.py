"""The messages of a WebSocket (RFC 6455, 5): bytes in, messages and control frames out; and the other way. Pure.

wsproto reads the frames. It inflates nothing, since no extension is agreed on, and it keeps nothing that is over a
limit: `_Bounds` hears of each frame's length before its first byte.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

SHORT_BYTES: Final = 126
"""From this length on a frame's length takes two bytes more, and from `LONG_BYTES` on eight (RFC 6455, 5.2)."""
LONG_BYTES: Final = 65_536
_MASK_BYTES: Final = 4
_WHY: Final[dict[int, str]] = {
    CloseReason.PROTOCOL_ERROR: "against the protocol",
    CloseReason.INVALID_FRAME_PAYLOAD_DATA: "not UTF-8",
    CloseReason.MESSAGE_TOO_BIG: "the message is too large",
    CloseReason.POLICY_VIOLATION: "too many frames",
}


class Message(msgspec.Struct, frozen=True):
    """A whole message. Text is UTF-8."""

    data: bytes
    is_text: bool


class Pinged(msgspec.Struct, frozen=True):
    """A ping, to be answered with its own payload."""

    payload: bytes


class Closed(msgspec.Struct, frozen=True):
    """The client's close frame: nothing comes behind it. `code` is None when it gave none."""

    code: int | None


class Broken(msgspec.Struct, frozen=True):
    """The client broke the protocol or went over a limit: its WebSocket ends with this code."""

    code: int
    reason: str


Incoming = Message | Pinged | Closed | Broken


class _Bounds(Extension):
    """Never agreed on: it is how wsproto lets one look at a frame before it is kept."""

    name = "x-bounds"

    def __init__(self, *, max_bytes: int, allow: Callable[[], bool]) -> None:
        self._max_bytes = max_bytes
        self._allow = allow
        self._size = 0
        self.in_message = False
        self.consumed = 0
        """Bytes of whole frames, their heads included."""

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """May be called twice for a head that comes in pieces, so that it counts nothing."""
        del proto, rsv
        if not opcode.iscontrol() and self._size + payload_length > self._max_bytes:
            return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(False, False, False)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> CloseReason | None:
        assert isinstance(proto, FrameDecoder)
        assert proto.header
        length = proto.header.payload_len
        if not proto.header.opcode.iscontrol():
            self.in_message = not fin
            self._size = 0 if fin else self._size + length
        self.consumed += 2 + _length_bytes(length) + _MASK_BYTES + length
        return None if self._allow() else CloseReason.POLICY_VIOLATION


class MessageReader:
    """What a client sends, from its first frame on. No message is over `max_bytes`; `allow` is asked for each frame.

    When it is `idle`, the next frame can as well be read by a new one: nobody needs to keep it.
    """

    def __init__(self, *, max_bytes: int, allow: Callable[[], bool]) -> None:
        self._bounds = _Bounds(max_bytes=max_bytes, allow=allow)
        self._frames = Connection(ConnectionType.SERVER, [self._bounds])
        self._parts: list[bytes] = []
        self._fed = 0

    @property
    def idle(self) -> bool:
        """Whether it holds nothing: neither a part of a message, nor of a frame."""
        return self._fed == self._bounds.consumed and not self._bounds.in_message

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """What `data` completes, one by one. It is over after `Closed` and `Broken`."""
        self._fed += len(data)
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, TextMessage | BytesMessage):
                if event.data:  # empty fragments may come without end
                    self._parts.append(event.data.encode() if isinstance(event, TextMessage) else bytes(event.data))
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    yield Message(b"".join(parts), isinstance(event, TextMessage))
            elif isinstance(event, Ping):
                yield Pinged(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                yield self._end(event)
                return
            else:
                assert isinstance(event, Pong)  # asked for by nobody, and of no meaning

    def _end(self, event: CloseConnection) -> Closed | Broken:
        code = int(event.code)
        if self._frames.state is ConnectionState.REMOTE_CLOSING:
            return Closed(None if code == CloseReason.NO_STATUS_RCVD else code)
        return Broken(code, _WHY[code])


def text_frame(payload: bytes) -> bytes:
    """`payload`, which is UTF-8, as a whole text message.

    Not wsproto's, which takes a `str` and nine times as long: this stands in every delivery.
    """
    size = len(payload)
    if size < SHORT_BYTES:
        return b"\x81%c%b" % (size, payload)
    if size < LONG_BYTES:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping with this payload."""
    return bytes(FrameProtocol(client=False, extensions=[]).pong(payload))


def close_frame(code: int | None, reason: str = "") -> bytes:
    """A close frame. The reason is cut to what fits."""
    return bytes(FrameProtocol(client=False, extensions=[]).close(code, reason or None))


def _length_bytes(length: int) -> int:
    return 0 if length < SHORT_BYTES else 2 if length < LONG_BYTES else 8
