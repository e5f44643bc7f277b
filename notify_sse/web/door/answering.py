"""An accepted socket as the way out of one answer: what a stream's and a publish's have in common."""

import asyncio
from collections.abc import Awaitable

from notify_sse.web.door.sockets import Sockets


class AnswerTransport(asyncio.Protocol):
    """The protocol of a socket from the head of its request on. `sockets` hold it while the socket is there.

    `carries`: the socket became a stream's, which goes on when the app has returned.
    """

    __slots__ = ("_head", "_lost", "_resumed", "_sockets", "_transport", "carries")

    def __init__(self, transport: asyncio.Transport, *, sockets: Sockets) -> None:
        self._transport = transport
        self._sockets = sockets
        self._head = b""
        self._resumed: asyncio.Future[None] | None = None
        self._lost = False
        self.carries = False
        sockets.hold(self)

    def begin(self, head: bytes) -> None:
        """Keep the head of the answer: it leaves with the first bytes behind it, in one write."""
        self._head = head

    def put(self, data: bytes) -> Awaitable[None] | None:
        """Write `data` as it is. Returns None when the client takes more, else what to wait for until it does."""
        if self._head:
            data, self._head = self._head + data, b""
        if not self._transport.is_closing():
            self._transport.write(data)
        return self._resumed

    def end(self) -> None:
        """Close the socket once what was put is sent."""
        self._transport.close()

    def abort(self) -> None:
        """Reset the socket, without a word."""
        self._transport.abort()

    # The socket, as an asyncio protocol.

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._sockets.let_go(self)
        self._sockets.arrivals.leave(self._transport)
        self._lost = True
        self.resume_writing()
        self._gone()

    def _gone(self) -> None:
        """For what more ends with the socket."""

    def pause_writing(self) -> None:
        if self._resumed is None:
            self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)
