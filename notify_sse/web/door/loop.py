"""The event loop, which puts a door before every server that is started on it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import uvloop

from notify_sse.web.door.door import Door, Doors


class ServerLoop(uvloop.Loop):
    """uvloop; whoever connects to its servers comes to a door first, once there are `doors`."""

    doors: Doors | None = None
    without_door: int | None = None
    """The file number of a listening socket whose server has no door: nobody comes there for a stream."""

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> asyncio.Server:
        """As asyncio's. A server with TLS has no door: what it accepts is no plain stream."""
        doors = self.doors
        apart = self.without_door is not None and _file_number(kwargs) == self.without_door
        if doors is None or apart or kwargs.get("ssl"):
            return cast(asyncio.Server, await super().create_server(protocol_factory, *args, **kwargs))
        return cast(asyncio.Server, await super().create_server(lambda: Door(doors, protocol_factory), *args, **kwargs))


def _file_number(options: dict[str, Any]) -> int:
    """Of the listening socket that a server is given; -1 when it makes its own."""
    given = options.get("sock")
    return -1 if given is None else cast(int, given.fileno())
