"""An echo harness on the door's frames: what every test of the protocol speaks to, in the hand or over a socket.

`python -m tests.web.door.echo PORT` serves it, for Autobahn's own client (`wstest -m fuzzingclient`).
"""

import asyncio
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from notify_sse.web.door import Doors
from notify_sse.web.door import websocket as door_websocket
from notify_sse.web.door.handshake import accepted
from notify_sse.web.door.head import UpgradeRequest, read
from notify_sse.web.door.messages import Incoming, Message
from notify_sse.web.door.patience import Patience
from notify_sse.web.door.sockets import Sockets
from notify_sse.web.door.websocket import WebSocketTransport
from tests.web.door.doubles import HandTransport
from tests.web.door.heads import PATHS

MASK: Final = b"\x37\xfa\x21\x3d"


class EchoTransport(WebSocketTransport):
    """Answers each message with the same."""

    def _on(self, came: Incoming) -> None:
        if isinstance(came, Message) and not self.over:
            opcode = Opcode.TEXT if came.is_text else Opcode.BINARY
            self.put(Frame(opcode, came.data).serialize(mask=False))
        else:
            super()._on(came)


class Said(msgspec.Struct, frozen=True):
    """A frame that came back."""

    opcode: int
    data: bytes


class Echo:
    """A WebSocket in the hand: what is sent, and the frames that come back, read by an independent reader."""

    def __init__(self) -> None:
        self.transport = HandTransport()
        self.sockets = Sockets()
        lingering: Patience[WebSocketTransport] = Patience(0, WebSocketTransport.abort)
        self.websocket = EchoTransport(self.transport, sockets=self.sockets, lingering=lingering)
        self.websocket.accept(b"")

    def send(self, *pieces: bytes) -> "Echo":
        for piece in pieces:
            self.websocket.data_received(piece)
        return self

    @property
    def said(self) -> list[Said]:
        """All that came back so far."""
        return list(frames(self.transport.written))

    @property
    def close_code(self) -> int | None:
        """The code of the close frame that came back; None when it has none, or there was no close frame."""
        last = self.said[-1] if self.said else Said(0, b"")
        return struct.unpack("!H", last.data[:2])[0] if last.opcode == Opcode.CLOSE and last.data else None


def frames(data: bytes) -> Iterator[Said]:
    """The frames of a server, each whole."""
    reader = StreamReader()
    reader.feed_data(data)
    while reader.buffer:
        parsing = Frame.parse(reader.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as end:
            frame: Frame = end.value
            assert frame.fin
            yield Said(frame.opcode, bytes(frame.data))
        except (ProtocolError, PayloadTooBig) as exc:
            raise AssertionError(data) from exc
        else:
            raise AssertionError(f"half a frame: {data!r}")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A client's frame, right or wrong."""
    size = len(payload)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + struct.pack("!H", size) if size < 65_536 else b"\x7f" + struct.pack("!Q", size)
    if not masked:
        return bytes([first]) + length + payload
    head = bytes([first, length[0] | 0x80]) + length[1:] + MASK
    return head + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))


def closing(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return frame(Opcode.CLOSE, struct.pack("!H", code) + reason)


def octets(data: bytes, size: int = 1) -> Sequence[bytes]:
    """`data` in pieces."""
    return [data[place : place + size] for place in range(0, len(data), size)]


class _EchoDoor(asyncio.Protocol):
    """Takes a handshake for anything, and echoes."""

    def __init__(self, doors: Doors, lingering: Patience[WebSocketTransport]) -> None:
        self._doors = doors
        self._lingering = lingering
        self._data = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        _, _, target = self._data.partition(b" ")
        request = read(b"GET /notifications/ws " + target.partition(b" ")[2], paths=PATHS)
        if isinstance(request, UpgradeRequest):
            peer = EchoTransport(
                self._transport, sockets=self._doors.sockets, lingering=self._lingering, early=request.behind
            )
            self._transport.set_protocol(peer)
            lines = b"".join(b"%b: %b\r\n" % header for header in accepted(request.headers))
            peer.accept(b"HTTP/1.1 101 Switching Protocols\r\n%b\r\n" % lines)
            peer.put(b"")


async def _serve(port: int) -> None:
    # Autobahn sends messages of 16 MB, as fast as it can.
    vars(door_websocket).update(MAX_MESSAGE_BYTES=64 * 1024 * 1024, MAX_FRAMES_PER_S=10_000_000)
    doors = Doors(lambda *_: asyncio.sleep(0), paths=PATHS, request_timeout_s=0, keep_alive_s=0)
    lingering: Patience[WebSocketTransport] = Patience(2, WebSocketTransport.abort)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _EchoDoor(doors, lingering), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(int(sys.argv[1])))
