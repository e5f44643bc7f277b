"""The event loop, with small write buffers for whoever connects to us.

asyncio buffers 64 KiB for each connection before a writer has to wait. A thousand clients that stop reading would hold
that a thousand times; the kernel's own buffer is enough to keep a good connection busy.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import uvloop

HIGH_WATER_BYTES: Final = 8192


class _Accepted(asyncio.StreamReaderProtocol):
    """asyncio's own protocol of an accepted connection, with a lower high-water mark."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).set_write_buffer_limits(high=HIGH_WATER_BYTES)
        super().connection_made(transport)


class ServerLoop(uvloop.Loop):
    """uvloop; what connects to its servers gets small write buffers."""

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> asyncio.Server:
        """As asyncio's; every accepted connection has small write buffers."""

        def accepted() -> Any:
            protocol = protocol_factory()
            if type(protocol) is asyncio.StreamReaderProtocol:
                protocol.__class__ = _Accepted
            return protocol

        return cast(asyncio.Server, await super().create_server(accepted, *args, **kwargs))
