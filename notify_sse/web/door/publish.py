"""An accepted socket from the head of a publish to the end of its answer. Then it goes on to the next request.

Its body comes in as the app asks for it: what nobody has asked for is not read off the socket without end. What comes
behind the body is the next request. It waits until this one is answered, and is then read like a first one.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

from notify_sse.web.door.head import PublishRequest
from notify_sse.web.door.sockets import Sockets

MAX_AHEAD_BYTES: Final = 65_536
"""Of a body that the app has not asked for: beyond it the socket is not read."""


class PublishTransport(asyncio.Protocol):
    """The protocol of a socket for one publish. `sockets` hold it as long.

    `has_more`: more of the body is to come. `closes`: the connection ends with the answer.
    """

    __slots__ = (
        "_behind",
        "_body",
        "_given",
        "_head",
        "_heard",
        "_left",
        "_lost",
        "_over",
        "_resumed",
        "_sockets",
        "_transport",
        "closes",
    )
    carries = False

    def __init__(self, transport: asyncio.Transport, request: PublishRequest, *, sockets: Sockets) -> None:
        self._transport = transport
        self._sockets = sockets
        self._left = request.length
        self._body = self._behind = self._head = b""
        self._heard: asyncio.Future[None] | None = None
        self._resumed: asyncio.Future[None] | None = None
        self._given = self._over = self._lost = False
        self.closes = request.closes
        sockets.hold(self)
        if request.behind:
            self.data_received(request.behind)

    # The request.

    @property
    def has_more(self) -> bool:
        return not self._given

    async def next_part(self) -> bytes | None:
        """What has come of the body since the last call; waits until there is some, or the body is whole.

        None: the client has gone, before the end of its body or, once that was given, at any time.
        """
        while self._given or not (self._body or not self._left):
            if self._lost or (self._over and not self._given):
                return None
            self._heard = asyncio.get_running_loop().create_future()
            await self._heard
        part, self._body = self._body, b""
        self._given = not self._left
        if self._left:
            self._listen()
        return part

    # The answer.

    def begin(self, head: bytes) -> None:
        """Keep the head of the answer: it leaves with the first bytes behind it, in one write."""
        self._head = head

    def put(self, data: bytes) -> Awaitable[None] | None:
        """Write `data` as it is. Returns None when the client takes more, else what to wait for until it does."""
        if not self._transport.is_closing():
            self._transport.write(self._head + data)
        self._head = b""
        return self._resumed

    def end(self) -> None:
        """Close the socket once what was put is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Reset the socket, without a word."""
        self._transport.abort()

    def finish(self, *, closes: bool) -> bytes | None:
        """The publish is answered. Returns what came behind it, for whoever has the socket now; None when it closes."""
        if self._transport.is_closing():
            return None
        if closes or self.closes or self._left:
            self.end()
            return None
        self._sockets.let_go(self)
        self._listen()
        return self._behind

    # The socket, as an asyncio protocol.

    def data_received(self, data: bytes) -> None:
        part, behind = data[: self._left], data[self._left :]
        self._left -= len(part)
        self._body += part
        self._behind += behind
        if self._behind or len(self._body) > MAX_AHEAD_BYTES:
            self._transport.pause_reading()
        self._hear()

    def eof_received(self) -> bool:
        """A client that has ended its side may still wait for the answer."""
        self._over = self.closes = True
        self._hear()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._sockets.let_go(self)
        self._sockets.arrivals.leave(self._transport)
        self._over = self._lost = True
        self._hear()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    def _listen(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _hear(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None and not heard.done():
            heard.set_result(None)
