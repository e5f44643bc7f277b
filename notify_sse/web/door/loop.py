"""The event loop, which puts a door before every server that is started on it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvloop

from notify_sse.web.door.door import Door, Doors


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
        if doors is not None and not apart and not kwargs.get("ssl"):
            protocol_factory = partial(Door, doors, protocol_factory)
        server = cast(asyncio.Server, await super().create_server(protocol_factory, *args, **kwargs))
        self._accepting[number] = server
        return server

    def stop_accepting(self, file_number: int) -> None:
        """Take no more connections off the listening socket of this number, and close it. What was taken goes on."""
        server = self._accepting.pop(file_number, None)
        if server is not None:
            server.close()


def _file_number(options: dict[str, Any]) -> int:
    """Of the listening socket that a server is given; -1 when it makes its own."""
    given = options.get("sock")
    return -1 if given is None else cast(int, given.fileno())
