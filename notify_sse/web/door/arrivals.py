"""How many sockets there are, in all and of each address, whoever serves them. Counted when they are accepted.

A file is what a socket costs first, and without files nothing works, the database neither: so nobody is asked who he is
before he is counted. One that is too many is served its refusal, in the form that fits what it asks for (web/limits);
when too many are being refused already, it is cut off.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NewType

from notify_sse.web.door.patience import Patience
from notify_sse.web.limits.address import Proxies, counted_as

Socket = NewType("Socket", str)
"""Both ends of a connection, as one text: what tells it from any other, in a third of a tuple's memory."""

REFUSED_AT_ONCE: Final = 64
"""Sockets beyond the limit that wait for their refusal: the reserve of files has room for them."""
LOOK_S: Final = 1.0
REFUSAL_S: Final = 2.0
"""For asking, and for taking the refusal."""


class Arrivals:
    """`most` sockets in all, `per_address` of one address; 0: any number.

    Proxies' connections are other people's: they count in all, and for the address that they name while it is served.
    `on_limited` hears the name of the limit that refuses a socket.
    """

    def __init__(
        self,
        *,
        most: int = 0,
        per_address: int = 0,
        proxies: Proxies | None = None,
        on_limited: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._most = most
        self._per_address = per_address
        self._proxies = proxies or Proxies(())
        self._on_limited = on_limited
        self.on_cut_off: Callable[[str, str], None] = lambda _address, _limit: None
        """Hears of those for whose refusal there is no room: the address, and the limit."""
        self._sockets: dict[Socket, str | None] = {}
        self._of_address: Counter[str] = Counter()
        self._refused: dict[Socket, str] = {}
        self._tasks: dict[Socket, asyncio.Task[Any]] = {}
        self._handed_over: dict[Socket, asyncio.Transport] = {}
        self._impatient: Patience[asyncio.Transport] = Patience(REFUSAL_S, lambda transport: transport.abort())

    def __len__(self) -> int:
        return len(self._sockets)

    def enter(self, transport: asyncio.Transport) -> None:
        """A socket was accepted. It is cut off here when there is no room even for its refusal."""
        client, socket = transport.get_extra_info("peername"), _socket_of(transport)
        if socket is None:  # it has gone already
            return
        address = None if self._proxies.trusts(client[0]) else counted_as((client[0], client[1]))
        limit = self._limit_for(address)
        if limit is None:
            self._sockets[socket] = None
            self._set_address(socket, address)
            return
        self._on_limited(limit)
        if len(self._refused) >= REFUSED_AT_ONCE:
            transport.abort()
            self.on_cut_off(client[0], limit)
            return
        self._refused[socket] = limit
        self._impatient.begin(transport)

    def leave(self, transport: asyncio.Transport) -> None:
        """A socket has ended. Idempotent."""
        self._impatient.end(transport)
        socket = _socket_of(transport)
        if socket is not None:
            self._handed_over.pop(socket, None)
        if socket is not None and (task := self._tasks.pop(socket, None)):
            task.cancel()
        if socket is not None and self._refused.pop(socket, None) is None and socket in self._sockets:
            self._set_address(socket, None)
            del self._sockets[socket]

    def hand_over(self, transport: asyncio.Transport) -> None:
        """Another server has this socket from now on."""
        if socket := _socket_of(transport):
            self._handed_over[socket] = transport

    def take_back(self, transport: asyncio.Transport) -> None:
        """It has it no more. Idempotent."""
        if socket := _socket_of(transport):
            self._handed_over.pop(socket, None)

    @contextmanager
    def ends_with(self, client: Any, server: Any) -> Iterator[None]:
        """The task that runs this is cancelled when the socket between these two ends is gone.

        For what lasts as long as its client: a server that does not read, since more stands behind the request, does
        not tell of a client that went away. Once it has so much of it that the socket is not read any more, nobody
        could hear of that: so that is the end, too.
        """
        task, socket = asyncio.current_task(), _socket(client, server)
        if task is not None and socket is not None and socket in self._sockets:
            self._tasks[socket] = task
            asyncio.get_running_loop().call_later(LOOK_S, self._look_whether_it_is_read, socket, task)
        try:
            yield
        finally:
            if socket is not None:
                self._tasks.pop(socket, None)

    def _look_whether_it_is_read(self, socket: Socket, task: asyncio.Task[Any]) -> None:
        transport = self._handed_over.get(socket)
        if transport is None or self._tasks.get(socket) is not task:
            return
        if transport.is_reading():
            asyncio.get_running_loop().call_later(LOOK_S, self._look_whether_it_is_read, socket, task)
        else:
            transport.abort()

    def limit_of(self, client: Any, server: Any) -> str | None:
        """The limit over which the socket between these two ends is; None when it may go on."""
        socket = _socket(client, server) if self._refused else None
        return None if socket is None else self._refused.get(socket)

    def serve(self, client: Any, server: Any, *, address: str | None) -> str | None:
        """A proxy's socket serves a request of `address` from now on, or of nobody (None).

        Returns the limit over which that address is: then it is not to be served.
        """
        socket = _socket(client, server)
        if socket is None or socket not in self._sockets:
            return None
        self._set_address(socket, None)
        if address is not None and 0 < self._per_address <= self._of_address[address]:
            self._on_limited("max_connections_per_address")
            return "max_connections_per_address"
        self._set_address(socket, address)
        return None

    def _limit_for(self, address: str | None) -> str | None:
        if 0 < self._most <= len(self._sockets):
            return "max_connections"
        if address is not None and 0 < self._per_address <= self._of_address[address]:
            return "max_connections_per_address"
        return None

    def _set_address(self, socket: Socket, address: str | None) -> None:
        before = self._sockets[socket]
        if before is not None:
            self._of_address[before] -= 1
            if not self._of_address[before]:
                del self._of_address[before]
        self._sockets[socket] = address
        if address is not None:
            self._of_address[address] += 1


def _socket_of(transport: asyncio.BaseTransport) -> Socket | None:
    return _socket(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))


def _socket(client: Any, server: Any) -> Socket | None:
    """The socket between two ends, as asyncio or as ASGI names them; None for one of another family, or one that has
    gone.
    """
    if not isinstance(client, tuple | list) or not isinstance(server, tuple | list):
        return None
    return Socket(f"{client[0]} {client[1]} {server[0]} {server[1]}")
