"""The event loop, which knows whom it has accepted: small write buffers, and a way to write to them directly.

Most of what a delivery costs beside the system call is the way from ASGI through Hypercorn and h11, for framing that is
the same for every stream. So once a stream's head is sent through them, its body is written here: every task of a
connection finds its own in its context (`accepted`). Never by address: a port is used again, while the task that served
its last owner still runs. The head and the end of the response stay Hypercorn's (docs/adr/0008-direct-writes.md).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, copy_context
from typing import Any, Final, cast

import uvloop

HIGH_WATER_BYTES: Final = 8192
"""asyncio's is 64 KiB for each connection; a thousand clients that stop reading would hold that a thousand times."""


_connection: ContextVar["Accepted | None"] = ContextVar("connection", default=None)


class Accepted(asyncio.StreamReaderProtocol):
    """asyncio's own protocol of an accepted connection, with what a stream needs beside it."""

    transport: asyncio.Transport
    registry: set["Accepted"]
    resumed: asyncio.Future[None] | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self.resumed = None
        self.registry = cast(ServerLoop, asyncio.get_running_loop()).accepted
        self.registry.add(self)
        copy_context().run(self._serve, transport)

    def _serve(self, transport: asyncio.BaseTransport) -> None:
        """Start the task that serves the connection; it and all below it inherit this context."""
        _connection.set(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.registry.discard(self)
        self._resume()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self.resumed = asyncio.get_running_loop().create_future()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._resume()
        super().resume_writing()

    def write_chunk(self, data: bytes) -> Awaitable[None] | None:
        """Write `data` as one chunk of a chunked body (RFC 9112, 7.1).

        Returns None when the transport takes more, else a future that is done when it does or is lost.
        """
        if not self.transport.is_closing():
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return self.resumed

    def _resume(self) -> None:
        if self.resumed is not None and not self.resumed.done():
            self.resumed.set_result(None)
        self.resumed = None


class ServerLoop(uvloop.Loop):
    """uvloop; whoever connects to its servers is `Accepted`."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted: set[Accepted] = set()

    async def create_server(self, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any) -> asyncio.Server:
        """As asyncio's; it takes asyncio's own stream protocol as `Accepted`."""

        def accepting() -> Any:
            protocol = protocol_factory()
            if type(protocol) is asyncio.StreamReaderProtocol:
                protocol.__class__ = Accepted
            return protocol

        return cast(asyncio.Server, await super().create_server(accepting, *args, **kwargs))

    def cut(self) -> None:
        """Reset every accepted connection.

        A client that has not read its bytes yet would otherwise delay the shutdown for ever.
        """
        for protocol in list(self.accepted):
            protocol.transport.abort()


def accepted(scope: Mapping[str, Any]) -> Accepted | None:
    """The connection that the request with this ASGI `scope` came on, for the task that serves it; None unless it is
    plain HTTP/1.1 on our loop.
    """
    if scope["http_version"] != "1.1" or scope["scheme"] != "http":
        return None
    return _connection.get()
