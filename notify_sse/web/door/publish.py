"""An accepted socket from the head of a publish to the end of its answer. Then it goes on to the next request.

Its body comes in as the app asks for it: what nobody has asked for is not read off the socket without end. What comes
behind the body is the next request. It waits until this one is answered, and is then read like a first one.
"""

import asyncio
from typing import Final

from notify_sse.web.door.answering import AnswerTransport
from notify_sse.web.door.head import PublishRequest
from notify_sse.web.door.sockets import Sockets

MAX_AHEAD_BYTES: Final = 65_536
"""Of a body that the app has not asked for: beyond it the socket is not read."""


class PublishTransport(AnswerTransport):
    """The protocol of a socket for one publish.

    `has_more`: more of the body is to come. `closes`: the connection ends with the answer.
    """

    __slots__ = ("_behind", "_body", "_given", "_heard", "_left", "_over", "closes")

    def __init__(self, transport: asyncio.Transport, request: PublishRequest, *, sockets: Sockets) -> None:
        super().__init__(transport, sockets=sockets)
        self._left = request.length
        self._body = self._behind = b""
        self._heard: asyncio.Future[None] | None = None
        self._given = self._over = False
        self.closes = request.closes
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

    def _gone(self) -> None:
        self._over = True
        self._hear()

    def _listen(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _hear(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None and not heard.done():
            heard.set_result(None)
