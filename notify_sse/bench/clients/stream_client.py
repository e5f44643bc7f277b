"""One SSE client, as cheap as asyncio allows: a protocol that searches each chunk for stamps, and nothing else.

It parses no HTTP chunks and no events: servers write whole events, and an event that a read cut in two waits for the
next read. `client_process` opens and drops the clients, and owns the tally that they all write to.
"""

import asyncio
import time
from array import array
from typing import Final, cast

from notify_sse.bench.stamp import DUE, KIND_AT, NUMBER, RECIPIENT, STAMP_CHARS
from notify_sse.errors import NoStream

ENDS: Final = (b"\n\n\r\n", b"\n\n")
"""A read that ends so has cut no event: the end of an event, with or without the end of an HTTP chunk."""


class Tally:
    """What the clients of one process received: each notification's due time and delay, and what went wrong."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.due_ns = array("q")
        self.delay_ns = array("q")
        self.live = 0
        self.repeats = 0
        self.disorders = 0
        self.cut = 0
        self.resets = 0

    def clear(self) -> None:
        """Forget the samples, so that what comes from now on stands alone."""
        del self.due_ns[:], self.delay_ns[:]


class StreamClient(asyncio.Protocol):
    """One recipient's stream. `next` holds the next number expected on its own channel and on the topic."""

    accepted = b" 200 "
    """How the answer begins, behind the version, when it is a stream."""
    __slots__ = ("headed", "index", "last", "live", "missing", "next", "rest", "tally", "transport", "up")

    def __init__(self, index: int, tally: Tally) -> None:
        self.index = index
        self.tally = tally
        self.next = [0, 0]
        self.missing: set[tuple[int, int]] | None = None
        self.last = b""
        self._reset_connection()

    def _reset_connection(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.rest = b""
        self.headed = self.live = False
        self.up: asyncio.Future[int] | None = None

    @property
    def cursor(self) -> bytes:
        """The id of the last complete event."""
        at = self.last.rfind(b"id: ")
        return b"" if at < 0 else self.last[at + 4 : self.last.index(b"\n", at)].rstrip()

    def open(self, transport: asyncio.Transport, request: bytes) -> "asyncio.Future[int]":
        """Send the request. The future gives the monotonic time in ns of the first event."""
        self.transport = transport
        self.up = asyncio.get_running_loop().create_future()
        transport.write(request)
        return self.up

    def drop(self) -> None:
        """Cut the connection, as a lost network does."""
        transport = self.transport
        if self.live:
            self.tally.live -= 1
        self._reset_connection()
        if transport:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server ended the connection. asyncio calls this after `drop` too, when the client may be open again."""
        if self.transport is None or not self.transport.is_closing():
            return
        if self.live:
            self.tally.live -= 1
            self.tally.cut += 1
        if self.up and not self.up.done():
            self.up.set_exception(NoStream(f"closed before the first event: {exc or 'the end of the stream'}"))
        self._reset_connection()

    def data_received(self, data: bytes) -> None:
        """Find and date every stamp."""
        now = time.monotonic_ns()
        if self.rest:
            data = self.rest + data
            self.rest = b""
        if not self.live:
            data = self._after_head(data, now)
            if not data:
                return
        if not data.endswith(ENDS):
            after = data.rfind(b"\n\n") + 2
            if after == 1:
                self.rest = data
                return
            self.rest = data[after:]
            data = data[:after]
        mark = self.tally.mark
        place = data.find(mark)
        if place < 0:
            self._control(data)
            return
        self.last = data
        while place >= 0:
            place += len(mark)
            self._count(data[place : place + STAMP_CHARS], now)
            place = data.find(mark, place)

    def _count(self, stamp: bytes, now: int) -> None:
        channel = stamp[KIND_AT] != RECIPIENT[0]  # 0: the recipient's own, 1: the topic
        number, due = int(stamp[NUMBER]), int(stamp[DUE])
        tally = self.tally
        if number == self.next[channel]:
            self.next[channel] = number + 1
        elif not self._out_of_order(channel, number):
            return
        tally.due_ns.append(due)
        tally.delay_ns.append(now - due)

    def _out_of_order(self, channel: int, number: int) -> bool:
        """Note a number that is not the next one. Returns whether it is new (a gap, or late), and not a repeat."""
        if self.missing is None:
            self.missing = set()
        if number > self.next[channel]:
            self.missing.update((channel, skipped) for skipped in range(self.next[channel], number))
            self.next[channel] = number + 1
            return True
        if (channel, number) in self.missing:
            self.missing.discard((channel, number))
            self.tally.disorders += 1
            return True
        self.tally.repeats += 1
        return False

    def _after_head(self, data: bytes, now: int) -> bytes:
        """The bytes after the response's head. The first of them make the stream live."""
        if not self.headed:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return b""
            if self.accepted not in head[:16]:
                self._refused(head)
                return b""
            self.headed = True
        if data and self.up:
            self.live = True
            self.tally.live += 1
            if not self.up.done():
                self.up.set_result(now)
        return data

    def _refused(self, head: bytes) -> None:
        if self.up and not self.up.done():
            self.up.set_exception(NoStream(head.partition(b"\r\n")[0].decode(errors="replace")))
        cast(asyncio.Transport, self.transport).abort()

    def _control(self, data: bytes) -> None:
        if b"id: " in data:
            self.last = data
        if b"event: reset" in data:
            self.tally.resets += 1

    def lost(self, published: tuple[int, int]) -> int:
        """How many of those published on its channel and on the topic did not arrive."""
        behind = sum(max(0, count - received) for count, received in zip(published, self.next, strict=True))
        return behind + len(self.missing or ())
