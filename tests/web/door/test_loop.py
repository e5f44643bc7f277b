"""A server that has no door has few connections."""

import asyncio
from typing import cast

from notify_sse.web.door.loop import Few
from tests.web.door.doubles import HandTransport


class _Served(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = 0

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost += 1


async def test_a_server_apart_has_few_connections() -> None:
    """One more is cut off when it comes, until another has ended."""
    few = Few(_Served, most=2)
    first, second, third = (cast(asyncio.Protocol, few()) for _ in range(3))
    for protocol, cut in ((first, False), (second, False), (third, True)):
        transport = HandTransport()
        protocol.connection_made(transport)
        assert transport.aborted is cut
    first.connection_lost(None)
    assert cast(_Served, first).lost == 1
    assert isinstance(few(), _Served)
    assert few.count == 2
