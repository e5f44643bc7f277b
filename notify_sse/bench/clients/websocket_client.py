"""One WebSocket client, as cheap as asyncio allows: it finds the ends of the frames, and searches each for a stamp."""

import time
from typing import Final

from notify_sse.bench.clients.stream_client import StreamClient
from notify_sse.bench.stamp import STAMP_CHARS

HANDSHAKE: Final = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
"""What makes a request one for a WebSocket. A real client's key is random; the server cannot tell."""
_ID: Final = b'"id":"'
_TEXT: Final = 0x81
LENGTH_FOLLOWS: Final = 126


class WebSocketClient(StreamClient):
    """The same client for `/notifications/ws`. It sends no frame: as an event stream, it only listens."""

    __slots__ = ()
    accepted = b" 101 "

    @property
    def cursor(self) -> bytes:
        """The id of the last complete message that has one."""
        at = self.last.find(_ID)
        return b"" if at < 0 else self.last[at + len(_ID) : self.last.index(b'"', at + len(_ID))]

    def data_received(self, data: bytes) -> None:
        """Find and date every stamp."""
        now = time.monotonic_ns()
        if self.rest:
            data, self.rest = self.rest + data, b""
        if not self.live:
            data = self._after_head(data, now)
        place = 0
        while (ends := _frame(data, place)) is not None:
            is_text = data[place] == _TEXT
            start, place = ends
            if is_text:
                self._message(data[start:place], now)
        self.rest = data[place:] if place else data

    def _message(self, payload: bytes, now: int) -> None:
        if _ID in payload:
            self.last = payload
        place = payload.find(self.tally.mark)
        if place >= 0:
            place += len(self.tally.mark)
            self._count(payload[place : place + STAMP_CHARS], now)
        elif b'"event":"reset"' in payload:
            self.tally.resets += 1


def _frame(data: bytes, place: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `place` begins and ends; None when it is not all there."""
    if len(data) < place + 4:
        return None
    size, start = data[place + 1], place + 2
    if size == LENGTH_FOLLOWS:
        size, start = int.from_bytes(data[place + 2 : place + 4], "big"), place + 4
    return (start, start + size) if len(data) >= start + size else None
