"""Whoever waits for a connection to take more goes on when it is lost."""

import asyncio
from typing import Any, cast

from notify_sse.web.streams.direct import Accepted


class _Transport(asyncio.Transport):
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, _: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written = data


async def test_a_write_that_waits_ends_with_its_connection() -> None:
    """Else its task would stay for good."""
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    protocol.__class__ = Accepted
    accepted = cast(Accepted, protocol)
    accepted.transport, accepted.registry, accepted.resumed = _Transport(), {accepted}, None
    accepted.pause_writing()
    waiting = accepted.write_chunk(b"x")
    assert waiting is not None
    accepted.connection_lost(None)
    await asyncio.wait_for(waiting, 1)
    assert not accepted.registry
    assert accepted.write_chunk(b"y") is None
