"""Every accepted socket of the process, for its end: those held at the door, and those that Hypercorn has."""

import asyncio
from typing import Protocol
from weakref import WeakSet


class Abortable(Protocol):
    """What a socket can be reset by."""

    def abort(self) -> None:
        """Reset it, without a word."""


class Sockets:
    """The door adds and takes out what it holds. Hypercorn does not tell when it is done: that goes by itself."""

    def __init__(self) -> None:
        self._held: set[Abortable] = set()
        self._handed_over: WeakSet[asyncio.Transport] = WeakSet()
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, socket: Abortable) -> None:
        """The door has it, until `let_go`."""
        self._held.add(socket)

    def let_go(self, socket: Abortable) -> None:
        """The door has it no more. Idempotent."""
        self._held.discard(socket)
        if not self._held:
            self._empty.set()

    def hand_over(self, transport: asyncio.Transport) -> None:
        """Hypercorn has it from now on."""
        self._handed_over.add(transport)

    async def emptied(self) -> None:
        """Wait until the door holds none."""
        self._empty.clear()
        if self._held:
            await self._empty.wait()

    def cut(self) -> None:
        """Reset every one of them.

        A client that has not read its bytes yet would otherwise delay the shutdown for ever.
        """
        for socket in [*self._held, *self._handed_over]:
            socket.abort()
