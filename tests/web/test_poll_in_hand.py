"""A long poll whose time ends while a page of the log is in hand: read, but not handed over yet."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from starlette.requests import Request

from notify_sse.auth import Grant
from notify_sse.core.frames import Cursor
from notify_sse.core.hub import Hub
from notify_sse.core.tail import Tail
from notify_sse.gateway.pump import Pump
from notify_sse.web.api import history
from tests.support.doubles import HandStore, metrics, notification

WAIT_S = 0.05


async def test_its_cursor_stays_where_it_was() -> None:
    """Else it would go on behind what nobody has sent: the next poll brings it."""
    store = HandStore()
    store.database.append([notification(f"n{number}") for number in range(5)])
    tail = Tail(max_events=10, max_bytes=10**6)
    tail.restart(store.database.epoch, start=5)
    pump = Pump(store.port, tail, Hub(), metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1)
    read = pump._replays.read

    async def slowly(connection: Any) -> Any:
        page = await read(connection)
        await asyncio.sleep(2 * WAIT_S)
        return page

    start = Cursor(tail.epoch, 0)
    async with asyncio.timeout(10):
        pump._replays.read = slowly  # type: ignore[method-assign]
        assert await _polled(pump, tail, start, wait_s=WAIT_S) == ([], str(start))
        pump._replays.read = read  # type: ignore[method-assign]
        items, cursor = await _polled(pump, tail, start, wait_s=5)
    assert [item["notification_id"] for item in items] == [f"n{number}" for number in range(5)]
    assert cursor == str(tail.cursor)


async def test_a_client_that_leaves_ends_its_poll() -> None:
    """It counts as an open stream until then."""
    tail = Tail(max_events=10, max_bytes=10**6)
    tail.restart("e", start=0)
    pump = Pump(HandStore().port, tail, Hub(), metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1)
    async with asyncio.timeout(5):
        await _polled(pump, tail, tail.cursor, wait_s=30, leaves=True)
    assert not pump.connections


async def _polled(
    pump: Pump, tail: Tail, place: Cursor, *, wait_s: float, leaves: bool = False
) -> tuple[list[dict[str, Any]], str]:
    async def receive() -> dict[str, Any]:
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    nothing = SimpleNamespace(labels=lambda *_: SimpleNamespace(inc=lambda: None))
    gateway = SimpleNamespace(
        pump=pump, tail=tail, admit=lambda: None, make_room=lambda _: None, metrics=SimpleNamespace(resets=nothing)
    )
    request = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(gateway=gateway)), receive=receive)
    query = history.Query(after=None, before=None, limit=50, types=(), order="asc", wait_s=wait_s, topics=())
    grant = cast(Grant, SimpleNamespace(subject="alice", token_id="", expires_at=float("inf")))
    answer = await history._wait(cast(Request, request), grant, ("recipient:alice",), query, place)
    page = msgspec.json.decode(answer.body)
    return page["items"], page["cursor"]
