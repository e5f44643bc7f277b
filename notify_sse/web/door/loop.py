"""The event loop, which puts a door before every server that is started on it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import uvloop

from notify_sse.web.door.door import Door, Doors

MOST_APART: Final = 64
"""Connections of the server without a door, the admin listener's."""


class ServerLoop(uvloop.Loop):
    """uvloop; whoever connects to its servers comes to a door first, once there are `doors`."""

    doors: Doors | None = None
    without_door: int | None = None
    """The file number of a listening socket whose server has no door: nobody comes there for a stream."""

    def __init__(self) -> None:
        super().__init__()
        self._accepting: dict[int, asyncio.Server] = {}

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> asyncio.Server:
        """As asyncio's. A server with TLS has no door: what it accepts is no plain stream."""
        doors, number = self.doors, _file_number(kwargs)
        apart = self.without_door is not None and number == self.without_door
        if apart:
            protocol_factory = Few(protocol_factory, most=MOST_APART)
        elif doors is not None and not kwargs.get("ssl"):
            protocol_factory = partial(Door, doors, protocol_factory)
        server = cast(asyncio.Server, await super().create_server(protocol_factory, *args, **kwargs))
        self._accepting[number] = server
        return server

    def stop_accepting(self, file_number: int) -> None:
        """Take no more connections off the listening socket of this number, and close it. What was taken goes on."""
        server = self._accepting.pop(file_number, None)
        if server is not None:
            server.close()


class Few:
    """Makes the protocols of a server that has at most `most` connections: one more is cut off when it comes.

    Nobody counts them with the others, and without files the database is away.
    """

    def __init__(self, protocol_factory: Callable[[], Any], *, most: int) -> None:
        self._protocol_factory = protocol_factory
        self._most = most
        self.count = 0

    def __call__(self) -> Any:
        if self.count >= self._most:
            return _CutOff()
        protocol = self._protocol_factory()
        self.count += 1
        lost = protocol.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            del protocol.connection_lost  # it would keep the protocol from being freed
            self.count -= 1
            lost(exc)

        protocol.connection_lost = connection_lost
        return protocol


class _CutOff(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _file_number(options: dict[str, Any]) -> int:
    """Of the listening socket that a server is given; -1 when it makes its own."""
    given = options.get("sock")
    return -1 if given is None else cast(int, given.fileno())
