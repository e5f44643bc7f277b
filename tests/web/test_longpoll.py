"""The long poll as a transport: what it hands over, and where the next request goes on."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from notify_sse.auth import READ, Grant
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Event
from notify_sse.core.tail import Tail
from notify_sse.gateway.admission import Admission, Limits
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.web.service import Service
from notify_sse.web.streams import longpoll
from notify_sse.web.streams.longpoll import Polled, PollTransport, poll
from tests.support.doubles import HandStore, metrics, notification

WAIT_S = 0.05
GRANT = Grant(
    subject="alice",
    scopes=frozenset((READ,)),
    topics=frozenset(),
    expires_at=float("inf"),
    issued_at=None,
    token_id="t",
)


class Bench:
    """The gateway's parts on a store in hand, its log of `rows` events all evicted from the tail."""

    def __init__(self, *, rows: int = 0) -> None:
        store = HandStore()
        store.database.append([notification(f"n{number}") for number in range(rows)])
        self.tail = Tail(max_events=10, max_bytes=10**6)
        self.tail.restart(store.database.epoch, start=rows)
        self.pump = Pump(store.port, self.tail, metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1)
        hub: Hub[Connection] = Hub()
        self.registry = Registry(self.pump, hub, metrics())
        relay = cast("Relay[Connection]", SimpleNamespace(filled=True))
        limits = Limits(max_streams=10, max_streams_per_recipient=10)
        self.admission = Admission(self.tail, relay, self.registry, metrics(), limits=limits)

    async def polled(self, last_event_id: str, *, wait_s: float, limit: int = 50, leaves: bool = False) -> Polled:
        async def receive() -> dict[str, Any]:
            if not leaves:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        service = cast("Service", SimpleNamespace(admission=self.admission, registry=self.registry, tail=self.tail))
        request = cast("Request", SimpleNamespace(receive=receive, scope={"headers": []}))
        return await poll(
            service, request, GRANT, topics=(), last_event_id=last_event_id, types=(), limit=limit, wait_s=wait_s
        )


async def test_a_page_that_is_read_but_not_written_moves_no_cursor() -> None:
    """The time of the poll ends while a page of the log is in hand: the next poll brings it."""
    bench = Bench(rows=5)
    read = bench.pump.replays.read

    async def slowly(connection: Any) -> Any:
        page = await read(connection)
        await asyncio.sleep(2 * WAIT_S)
        return page

    start = Cursor(bench.tail.epoch, 0)
    async with asyncio.timeout(30):
        bench.pump.replays.read = slowly  # type: ignore[method-assign]
        first = await bench.polled(str(start), wait_s=WAIT_S)
        assert (first.frames, first.cursor) == ([], start)
        bench.pump.replays.read = read  # type: ignore[method-assign]
        second = await bench.polled(str(first.cursor), wait_s=5)
    assert [one.id for one in second.frames] == [1, 2, 3, 4, 5]
    assert second.cursor == bench.tail.cursor


async def test_what_is_beyond_the_limit_comes_with_the_next_poll() -> None:
    bench = Bench(rows=5)
    async with asyncio.timeout(30):
        first = await bench.polled(f"{bench.tail.epoch}.0", wait_s=5, limit=3)
        second = await bench.polled(str(first.cursor), wait_s=5, limit=3)
    assert [one.id for one in first.frames] == [1, 2, 3]
    assert first.more
    assert [one.id for one in second.frames] == [4, 5]
    assert not second.more


async def test_what_is_beyond_so_many_bytes_comes_with_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large one is, it comes."""
    bench = Bench(rows=5)
    monkeypatch.setattr(longpoll, "PAGE_BYTES", 1)
    async with asyncio.timeout(30):
        first = await bench.polled(f"{bench.tail.epoch}.0", wait_s=5, limit=3)
        second = await bench.polled(str(first.cursor), wait_s=5, limit=3)
    assert ([one.id for one in first.frames], first.more) == ([1], True)
    assert [one.id for one in second.frames] == [2]


async def test_a_poll_that_has_something_takes_no_more() -> None:
    """What comes while the answer is made stays with the stream, for the next request."""
    transport = PollTransport(types=(), limit=50)
    frames = [frame(Event(place, "topic:all", "t", b"{}"), "e") for place in (1, 2)]
    waiting = transport.write(frames[:1])
    assert isinstance(waiting, asyncio.Future)
    assert not waiting.done()
    transport.end()
    await waiting
    assert transport.frames == frames[:1]


async def test_a_client_that_leaves_ends_its_poll() -> None:
    """It counts as an open stream until then."""
    bench = Bench()
    async with asyncio.timeout(30):
        await bench.polled("", wait_s=30, leaves=True)
    assert len(bench.registry) == 0
