"""A socket that a test holds in its hand, and what it is given to."""

import asyncio
from typing import Any, cast

from notify_sse.gateway.connection import Connection
from notify_sse.gateway.registry import Registry


class HandTransport(asyncio.Transport):
    """Writes down what is written. As uvloop's, it takes no write once it is lost, and tells of its end later."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.protocol: asyncio.BaseProtocol | None = None
        self.aborted = False
        self.ended = False
        self._reads = True
        self.closed = asyncio.Event()

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.1", 4711), "sockname": ("10.0.0.2", 8000)}.get(name, default)

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_reading(self) -> bool:
        return self._reads

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def write(self, data: Any) -> None:
        if self.closed.is_set() or self.ended:
            raise RuntimeError("the handler is closed")
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed.set()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True
        self.closed.set()


class HandRegistry:
    """Writes down who opened and who left, and greets through `connection.transport`, as the pump does."""

    def __init__(self) -> None:
        self.opened: list[Connection] = []
        self.left: list[Connection] = []

    def open(self, connection: Connection) -> None:
        self.opened.append(connection)

    def leave(self, connection: Connection) -> None:
        self.left.append(connection)

    @property
    def port(self) -> Registry:
        return cast("Registry", self)


class Hypercorns(asyncio.Protocol):
    """Stands for the protocol that Hypercorn wants: keeps what it is given."""

    def __init__(self) -> None:
        self.transport: asyncio.BaseTransport | None = None
        self.received = b""
        self.eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.eof = True
        return True
