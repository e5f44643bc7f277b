"""Every accepted connection begins at a door, which reads the head of its first request.

A plain stream stays, and so does a WebSocket: the app answers them right here. Everything else goes to Hypercorn with
every byte that was read, as if there were no door (docs/adr/0014-door.md). A WebSocket that Hypercorn finds behind
another request comes back: it never serves one itself.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from starlette.types import ASGIApp

from notify_sse import eager
from notify_sse.web.door import head
from notify_sse.web.door.arrivals import Arrivals
from notify_sse.web.door.exchange import Exchange, PublishExchange, UpgradeExchange, refusal, scope_of
from notify_sse.web.door.patience import Patience
from notify_sse.web.door.publish import PublishTransport
from notify_sse.web.door.sockets import Sockets
from notify_sse.web.door.transport import EventStreamTransport
from notify_sse.web.door.websocket import WebSocketTransport

HIGH_WATER_BYTES: Final = 8192
"""asyncio's is 64 KiB for each connection; a thousand clients that stop reading would hold that a thousand times."""


FIRST_WORD_S: Final = 0.5
"""Who has connected sends a request within this time, or has connected in advance."""
LOOK_EVERY_S: Final = 0.02
LINGER_S: Final = 2.0
"""How long a WebSocket that was told to go may take to say its own last word, and to close."""


class Doors:
    """What the doors of one process share. `app` serves what comes to `paths`.

    A client that has connected may say nothing for `keep_alive_s`, as between two requests. From its first byte on, the
    head has to be there within `request_timeout_s`; 0: it may take for ever. `arrivals` counts those who come.
    `on_unread` hears of those who are refused because their head is not whole: the address, and the status.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: head.Paths,
        request_timeout_s: float,
        keep_alive_s: float,
        arrivals: Arrivals | None = None,
        on_unread: Callable[[str, int], None] = lambda _address, _status: None,
    ) -> None:
        self.on_unread = on_unread
        self.sockets = Sockets(arrivals)
        self.paths = paths
        self.ending = False
        """From now on each answer ends its connection: the process will be gone."""
        self._app = app
        self._silent: Patience[Door] = Patience(keep_alive_s, Door.close)
        self._begun: Patience[Door] = Patience(request_timeout_s, Door.give_up)
        self._lingering: Patience[WebSocketTransport] = Patience(LINGER_S, WebSocketTransport.abort)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def arrive(self, door: "Door") -> None:
        """A client has connected."""
        self.sockets.hold(door)
        self._silent.begin(door)

    def hear(self, door: "Door") -> None:
        """It has said something, but not all."""
        self._silent.end(door)
        self._begun.begin(door)

    def leave(self, door: "Door") -> None:
        """It has said what it wants, or has gone. Idempotent."""
        self.sockets.let_go(door)
        self._silent.end(door)
        self._begun.end(door)

    def serve(self, request: head.PlainRequest, transport: asyncio.Transport) -> None:
        """Answer a plain stream. What does not have to wait needs no task."""
        peer = EventStreamTransport(transport, sockets=self.sockets)
        transport.set_protocol(peer)
        scope = scope_of(request, path=self.paths.stream, info=transport.get_extra_info, transport=peer)
        self._start(Exchange(peer).serve(self._app, scope))

    def upgrade(self, request: head.UpgradeRequest, transport: asyncio.Transport, *, keeps: object = None) -> None:
        """Answer a WebSocket, whoever had the socket before. `keeps` must not be let go before the socket."""
        peer = WebSocketTransport(
            transport, sockets=self.sockets, lingering=self._lingering, early=request.behind, keeps=keeps
        )
        transport.set_protocol(peer)
        scope = scope_of(request, path=self.paths.websocket, info=transport.get_extra_info, transport=peer)
        self._start(UpgradeExchange(peer, request.headers).serve(self._app, scope))

    def publish(self, request: head.PublishRequest, transport: asyncio.Transport, door: "Door") -> None:
        """Answer a publish. It waits for its commit, so it needs a task."""
        peer = PublishTransport(transport, request, sockets=self.sockets)
        transport.set_protocol(peer)
        self.sockets.asks(transport)
        self._keep(asyncio.get_running_loop().create_task(self._publish(peer, request, transport, door)))

    async def _publish(
        self, peer: PublishTransport, request: head.PublishRequest, transport: asyncio.Transport, door: "Door"
    ) -> None:
        scope = scope_of(request, path=self.paths.publish, info=transport.get_extra_info, transport=peer)
        try:
            await PublishExchange(peer, is_ending=lambda: self.ending).serve(self._app, scope)
        finally:
            self.sockets.rests(transport)
        behind = peer.finish(closes=self._closing)
        if behind is not None:
            transport.set_protocol(door)
            door.go_on(behind)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = eager.start(work)
        if task is not None:
            self._keep(task)

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Until it is done: asyncio itself would not."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def all_answered(self, *, within_s: float) -> None:
        """Wait until everybody who has connected is answered, be it that their first word is still on its way. For when
        nobody connects any more.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        is_due = True  # the loop knows of some connections of which it has not told
        while is_due and loop.time() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            is_one_new = self._silent.newest_s < FIRST_WORD_S
            is_due = is_one_new or bool(self._begun.waiting) or self.sockets.unanswered > 0

    def close_silent(self) -> None:
        """End the connections on which nothing is asked, and from now on each with the answer that it waits for."""
        self._closing = True
        for door in self._silent.waiting:
            door.close()


def address_of(transport: asyncio.BaseTransport) -> str:
    """The client's address, without its port; "" when there is none, or no more."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else ""


class Door(asyncio.Protocol):
    """One accepted connection, until its first head is read. `others` makes the protocol that Hypercorn wants."""

    __slots__ = ("_doors", "_others", "_read", "_transport")

    def __init__(self, doors: Doors, others: Callable[[], Any]) -> None:
        self._doors = doors
        self._others = others
        self._read = b""
        self._transport: asyncio.Transport

    def close(self) -> None:
        """End the connection without a word."""
        self._transport.close()

    def give_up(self, status: int = 408) -> None:
        """End the connection: its head is not complete, and will not be waited for."""
        self._transport.write(refusal(status))
        self._transport.close()
        self._doors.on_unread(address_of(self._transport), status)

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._doors.sockets.arrivals.enter(self._transport)
        self._doors.arrive(self)

    def go_on(self, behind: bytes) -> None:
        """The request is answered, and the next may come. `behind`: what of it is there already."""
        self._doors.arrive(self)
        if behind:
            self.data_received(behind)

    def data_received(self, data: bytes) -> None:
        first = not self._read
        self._read += data
        request = head.read(self._read, paths=self._doors.paths)
        if request is head.Undecided.INCOMPLETE:
            if first:
                self._doors.hear(self)
            return
        self._doors.leave(self)
        if isinstance(request, head.PlainRequest):
            self._doors.serve(request, self._transport)
        elif isinstance(request, head.UpgradeRequest):
            self._doors.upgrade(request, self._transport)
        elif isinstance(request, head.PublishRequest):
            self._read = b""
            self._doors.publish(request, self._transport, self)
        else:
            self._hand_over()

    def eof_received(self) -> None:
        """The head will never be complete. Hypercorn gives the same answer, if the end comes after the rest."""
        if self._read:
            self.give_up(400)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._doors.leave(self)
        self._doors.sockets.arrivals.leave(self._transport)

    def _hand_over(self) -> None:
        transport = self._transport
        self._doors.sockets.hand_over(transport)
        protocol: asyncio.Protocol = self._others()
        self._doors.sockets.watch(protocol, transport)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._read)
