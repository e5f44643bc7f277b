"""Pages of the log for streams that fell behind, while the log is away or has become another one."""

from collections.abc import Sequence

import pytest

from notify_sse.core.cursor import Cursor
from notify_sse.core.hub import Hub
from notify_sse.core.ports import Page
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway import replay as module
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from tests.gateway.one_connection import SlowTransport
from tests.support.doubles import HandStore, metrics, notification
from tests.support.polling import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORE_RETRY_S", 0.01)


class Bench:
    """A log of five events of everyone's, a tail that holds none of them, and a client at the beginning."""

    def __init__(self, *, looks_every_s: float = 60) -> None:
        """`looks_every_s`: how often the pump looks, during a read, whether something is due or the client has gone."""
        self.store = HandStore()
        self.store.database.append([notification(f"n{number}") for number in range(5)])
        self.tail = Tail(max_events=10, max_bytes=10**6)
        self.tail.restart(self.store.database.epoch, start=5)
        pump = self.pump = Pump(
            self.store.port, self.tail, metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1
        )
        pump.deadlines.resolution_s = looks_every_s
        self.registry = Registry(pump, Hub(), metrics())
        self.transport = SlowTransport()
        self.transport.gate.set()
        stream = Stream(("recipient:alice",), Cursor(self.store.database.epoch, 0), generation=self.tail.generation)
        self.connection = Connection(stream, self.transport, connection_id="c", recipient_id="alice")


async def test_a_stream_waits_for_a_log_that_is_away() -> None:
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")] * 2
    bench.registry.open(bench.connection)
    await until(lambda: bench.transport.sent == ["connected", "1", "2", "3", "4", "5"])
    assert bench.store.calls["after"] == 3


async def test_a_log_that_became_another_one_is_told_of() -> None:
    """The page of the new log is not sent as if it were of the old one."""
    bench = Bench()
    bench.store.database.new_epoch()
    bench.registry.open(bench.connection)
    await until(lambda: bench.store.calls["after"])
    bench.tail.restart(bench.store.database.epoch, start=5)
    await until(lambda: bench.transport.sent[:2] == ["connected", "reset"])
    bench.registry.leave(bench.connection)


async def test_a_client_that_leaves_during_a_read_gets_no_page() -> None:
    bench = Bench()
    bench.store.gate.clear()
    bench.registry.open(bench.connection)
    await until(lambda: bench.store.calls["after"] == 1)
    bench.registry.leave(bench.connection)
    bench.store.gate.set()
    await until(lambda: not bench.connection.busy)
    assert bench.transport.sent == ["connected"]


async def test_a_client_that_left_ends_a_read_that_takes_long() -> None:
    """While the log is away: nothing is kept for it."""
    bench = Bench(looks_every_s=0.005)
    bench.store.gate.clear()
    bench.registry.open(bench.connection)
    await until(lambda: bench.store.calls["after"] == 1)
    bench.registry.leave(bench.connection)
    await until(lambda: not bench.connection.busy)
    assert bench.transport.sent == ["connected"]


async def test_what_is_due_during_a_read_is_said_at_once() -> None:
    """The log is away, and the process drains: the client is told now, and not when the log is back."""
    bench = Bench(looks_every_s=0.005)
    bench.store.gate.clear()
    bench.registry.open(bench.connection)
    await until(lambda: bench.store.calls["after"] == 1)
    bench.registry.end(bench.connection, "drain")
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "closing", "end"]
    bench.registry.leave(bench.connection)
    await until(lambda: not bench.connection.busy)


async def test_a_page_that_cannot_be_read_in_time_is_asked_for_in_smaller_pieces() -> None:
    """A line that is too slow for the page: asking for the same one for ever would never end."""
    bench = Bench()
    bench.connection.page_events = 20
    asked = []
    read = bench.store.after

    async def after(cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        asked.append(limit)
        if limit > 5:
            raise StoreUnavailable("timeout")
        return await read(cursor, channels, limit=limit)

    bench.store.after = after  # type: ignore[method-assign]
    bench.registry.open(bench.connection)
    await until(lambda: bench.connection.stream.position == 5)
    assert asked[:3] == [20, 10, 5]
    module.lessen(bench.connection)
    module.lessen(bench.connection)
    assert bench.connection.page_events == module.LEAST_PAGE_EVENTS


@pytest.mark.parametrize(("largest_bytes", "most"), [(16_384, 500), (65_536, 500), (1_048_576, 32), (10**9, 4)])
async def test_a_page_is_bounded_by_bytes_too(largest_bytes: int, most: int) -> None:
    """500 of the largest notification that can be allowed are 500 MiB: no page asks for so many."""
    bench = Bench()
    bench.pump.replays.bound_pages(largest_bytes=largest_bytes)
    bench.connection.page_events = 10_000
    asked = []
    read = bench.store.after

    async def after(cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        asked.append(limit)
        return await read(cursor, channels, limit=limit)

    bench.store.after = after  # type: ignore[method-assign]
    bench.registry.open(bench.connection)
    await until(lambda: bench.connection.stream.position == 5)
    assert set(asked) == {most}
