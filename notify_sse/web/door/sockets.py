"""Every accepted socket of the process, for its end: those held at the door, and those that Hypercorn has."""

import asyncio
from typing import Final, Protocol
from weakref import WeakSet

from notify_sse.web.door.arrivals import Arrivals

HALF_CLOSED_S: Final = 1.0
"""How long a connection with Hypercorn stays whose client says nothing more, and has been sent all that there was."""


class Abortable(Protocol):
    """What a socket can be reset by."""

    def abort(self) -> None:
        """Reset it, without a word."""


class Sockets:
    """The door adds and takes out what it holds. Hypercorn does not tell when it is done: that goes by itself.

    `arrivals` counts them all. `passed_on` counts those that Hypercorn had, and that have ended.
    """

    def __init__(self, arrivals: Arrivals | None = None) -> None:
        self.arrivals = Arrivals() if arrivals is None else arrivals
        self.passed_on = 0
        self._held: set[Abortable] = set()
        self._handed_over: WeakSet[asyncio.Transport] = WeakSet()
        self._asking: set[asyncio.Transport] = set()
        self._empty = asyncio.Event()
        self._is_cut = False

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, socket: Abortable) -> None:
        """The door has it, until `let_go`."""
        self._held.add(socket)
        if self._is_cut:
            socket.abort()

    def let_go(self, socket: Abortable) -> None:
        """The door has it no more. Idempotent."""
        self._held.discard(socket)
        if not self._held:
            self._empty.set()

    def hand_over(self, transport: asyncio.Transport) -> None:
        """Hypercorn has it from now on. It came with a request."""
        self._handed_over.add(transport)
        self.arrivals.hand_over(transport)
        self._asking.add(transport)

    def asks(self, transport: asyncio.Transport) -> None:
        """A request came on a socket: one that Hypercorn has, or a publish."""
        self._asking.add(transport)

    def rests(self, transport: asyncio.Transport) -> None:
        """Its answer is written, or there will be none. Idempotent."""
        self._asking.discard(transport)

    @property
    def unanswered(self) -> int:
        """How many sockets wait for an answer that Hypercorn gives, or that a publish has."""
        return len(self._asking)

    def watch(self, protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        """Hear of the end of a socket whose `protocol` is Hypercorn's, and see to it that it ends.

        Hypercorn ends a request whose client says nothing more. It does not read while more stands behind a request: a
        stream would go on, without its client, until something is written to it.
        """
        lost, ended = protocol.connection_lost, protocol.eof_received

        def connection_lost(exc: Exception | None) -> None:
            _forget(protocol)
            self.arrivals.leave(transport)
            self.rests(transport)
            self.passed_on += 1
            lost(exc)

        def eof_received() -> bool | None:
            asyncio.get_running_loop().call_later(HALF_CLOSED_S, _end, transport)
            return ended()

        protocol.connection_lost = connection_lost  # type: ignore[method-assign]
        protocol.eof_received = eof_received  # type: ignore[method-assign]

    def take_back(self, transport: asyncio.Transport) -> None:
        """Hypercorn has it no more, and will not hear of its end."""
        self._handed_over.discard(transport)
        self.arrivals.take_back(transport)
        self.rests(transport)
        _forget(transport.get_protocol())
        self.passed_on += 1

    async def emptied(self) -> None:
        """Wait until the door holds none."""
        self._empty.clear()
        if self._held:
            await self._empty.wait()

    def cut(self) -> None:
        """Reset every one of them, and each that the door would have from now on.

        A client that has not read its bytes yet would otherwise delay the shutdown for ever.
        """
        self._is_cut = True
        for socket in [*self._held, *self._handed_over]:
            socket.abort()


def _end(transport: asyncio.Transport) -> None:
    """While something is still to be written, the end of the connection shows by itself."""
    if not transport.is_closing() and not transport.get_write_buffer_size():
        transport.abort()


def _forget(protocol: asyncio.BaseProtocol) -> None:
    """What `Sockets.watch` put there would keep the protocol alive."""
    for name in ("connection_lost", "eof_received"):
        vars(protocol).pop(name, None)
