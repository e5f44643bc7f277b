"""A line to Postgres that carries less than the log holds within a time limit: everything is read all the same."""

import asyncio

import pytest

from notify_sse.core.cursor import Cursor
from notify_sse.core.hub import Hub
from notify_sse.core.ports import STRETCH_BYTES
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway.relay import Relay
from notify_sse.store import open_store
from notify_sse.store.postgres import pool
from notify_sse.telemetry.outage import Outage
from tests.store.subject import Subject, notification
from tests.support.doubles import metrics, running
from tests.support.polling import eventually
from tests.support.tcp_proxy import tcp_proxy

RATE = 800_000
LIMIT_S = 1.0
BODY = 8_000
EVENTS = 5 * STRETCH_BYTES // BODY


async def test_a_log_that_takes_longer_than_a_time_limit_is_read_in_pages(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, when a process serves after the first page, and when it has fallen behind by as much."""
    assert EVENTS * BODY > RATE * LIMIT_S * 1.5
    subject = Subject(database_url)
    port = int(database_url.rsplit(":", 1)[1].partition("/")[0])
    async with subject.opened() as direct, tcp_proxy(port) as line:
        await direct.append([notification(f"a{number}", body=b"x" * BODY) for number in range(EVENTS)])
        monkeypatch.setattr(pool, "COMMAND_TIMEOUT_S", LIMIT_S)
        store = open_store(database_url.replace(f":{port}/", f":{line.port}/"))
        await store.open()
        tail = Tail(max_events=10_000, max_bytes=10**8)
        hub: Hub[Stream] = Hub()
        relay = Relay(store, tail, hub, metrics(), outage=Outage("the store"), drive=lambda _: None)
        line.bytes_per_s = RATE
        try:
            with pytest.raises(StoreUnavailable):
                await store.newest(max_events=EVENTS, max_bytes=10**8)
            async with running(relay.run(max_events=10_000, max_bytes=10**8)):
                await asyncio.wait_for(relay.when_filled(), 10)
                assert 0 < tail.start < tail.position == EVENTS
                await eventually(lambda: _is(tail.start, 0), within_s=60)
                await direct.append([notification(f"b{number}", body=b"x" * BODY) for number in range(EVENTS)])
                await eventually(lambda: _is(tail.position, 2 * EVENTS), within_s=60)
                assert len(tail) == 2 * EVENTS
                assert tail.cursor == Cursor((await direct.head()).epoch, 2 * EVENTS)
        finally:
            line.bytes_per_s = 0
            await store.close()


async def _is(value: int, wanted: int) -> bool:
    return value == wanted
