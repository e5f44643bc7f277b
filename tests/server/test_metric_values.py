"""The value of each gauge: the parts of a process are moved by hand, and what `/metrics` would say is read."""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from notify_sse import eager
from notify_sse.config import read_settings
from notify_sse.core.control import ControlEvent
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame
from notify_sse.core.journal import Journal
from notify_sse.core.model import Announcement, Event
from notify_sse.core.ports import Broker, Queued
from notify_sse.core.stream import Stream
from notify_sse.gateway.connection import Connection
from notify_sse.server.parts import Parts
from notify_sse.server.process import Process
from tests.server.in_process import running as served
from tests.support.api import STREAM, Api, bearer
from tests.support.doubles import HandStore, delivery, running
from tests.support.polling import until
from tests.support.tokens import SECRET

EPOCH = "e"


class SlowTransport:
    """While `gate` is not set, its client takes nothing of what is sent."""

    name = "sse"
    buffered_bytes = 7
    greets = takes_all = True

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sent = 0

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return eager.start(self._take(len(frames)))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        del event
        return eager.start(self._take(1))

    async def _take(self, count: int) -> None:
        self.sent += count
        await self.gate.wait()


def _parts(tmp_path: Path, **overrides: Any) -> Parts:
    """Of a process that does not run: nothing moves by itself."""
    environ = {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{tmp_path / 'log.db'}"}
    parts = Process(read_settings(environ, jwt_secret=SECRET, **overrides)).parts
    parts.way_out.tail.restart(EPOCH, start=3)
    return parts


def _values(parts: Parts) -> dict[str, float]:
    """Each metric with its labels' values behind its name: `queue_messages dead`."""
    exposition = b"".join(parts.metrics.render("")[0]).decode()
    return {
        " ".join([sample.name.removeprefix("notify_sse_"), *(sample.labels[name] for name in sorted(sample.labels))]): (
            sample.value
        )
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def _open(parts: Parts, name: str, *, position: int = 3) -> SlowTransport:
    transport = SlowTransport()
    stream = Stream(("topic:all",), Cursor(EPOCH, position), generation=parts.way_out.tail.generation)
    connection = Connection(stream, cast("Any", transport), connection_id=name, recipient_id=name)
    parts.way_out.registry.open(connection)
    return transport


def _announcement(first: int, count: int) -> Announcement:
    events = tuple(Event(first + number, "topic:all", "note", b"{}") for number in range(count))
    return Announcement(EPOCH, first, events)


async def test_streams_and_those_that_do_not_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By worker too; what slow readers have not taken counts as buffered, until they take it."""
    monkeypatch.setenv("NOTIFY_SSE_WORKER", "3")
    parts = _parts(tmp_path)
    slow, reading = _open(parts, "slow"), _open(parts, "reading")
    reading.gate.set()
    async with running(parts.way_out.pump.run()):
        await until(lambda: bool(slow.sent and reading.sent), what="the greetings")
        await until(lambda: parts.way_out.pump.slow_readers == 1, what="the one that does not read to count as slow")
        values = _values(parts)
        assert (values["streams"], values["worker_streams 3"]) == (2, 2)
        assert (values["slow_readers"], values["buffered_bytes"]) == (1, SlowTransport.buffered_bytes)
        slow.gate.set()
        await until(lambda: parts.way_out.pump.slow_readers == 0, what="it to have read")
        values = _values(parts)
        assert (values["slow_readers"], values["buffered_bytes"]) == (0, 0)


def test_the_tail_and_how_far_it_is_behind(tmp_path: Path) -> None:
    """An announcement that does not follow says where the log is; the tail waits for what lies between."""
    parts = _parts(tmp_path)
    before = _values(parts)
    assert (before["tail_position"], before["tail_events"], before["tail_lag_events"]) == (3, 0, 0)
    parts.way_out.relay.take(_announcement(4, 2))
    values = _values(parts)
    assert (values["tail_position"], values["tail_events"], values["tail_lag_events"]) == (5, 2, 0)
    assert values["tail_bytes"] > before["tail_bytes"]
    parts.way_out.relay.take(_announcement(9, 4))
    values = _values(parts)
    assert (values["tail_position"], values["tail_lag_events"]) == (5, 7)
    assert values["holes_found_total"] == 1


async def test_cold_streams_that_wait_for_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More come back for what the tail does not have than are read for at a time."""
    store = HandStore()
    store.gate.clear()
    monkeypatch.setattr("notify_sse.server.parts.open_store", lambda *_, **__: store)
    parts = _parts(tmp_path, max_replays=1)
    for number in range(3):
        _open(parts, f"c{number}", position=1).gate.set()
    async with running(parts.way_out.pump.run()):
        await until(lambda: store.calls["after"] == 1, what="the first to read")
        await until(lambda: _values(parts)["replays_waiting"] == 2, what="two to wait")
        store.gate.set()
        await until(lambda: _values(parts)["replays_waiting"] == 0, what="none to wait")
        assert _values(parts)["replay_pages_total"] >= 3


class _Looked:
    """A broker and a journal, as far as sampling looks at them."""

    connected = True
    queues = Queued(ingest=3, dead=2)
    oldest_s = 77.5

    async def queued(self) -> Queued:
        return self.queues

    async def oldest_event_s(self) -> float:
        return self.oldest_s

    async def expire(self, **_: Any) -> int:
        return 0


async def test_what_waits_in_queues_and_how_old_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker is away, what was seen last stays."""
    monkeypatch.setattr("notify_sse.server.sampling.EVERY_S", 0.001)
    parts, looked = _parts(tmp_path), _Looked()
    monkeypatch.setattr(parts.sampling, "_broker", cast("Broker", looked))
    monkeypatch.setattr(parts.sampling, "_journal", cast("Journal", looked))

    def seen() -> tuple[float, float]:
        values = _values(parts)
        return values["queue_messages ingest"], values["queue_messages dead"]

    async with running(parts.sampling.run(), parts.sampling.run_upkeep()):
        await until(lambda: seen() == (3, 2), what="the queues to be looked at")
        assert _values(parts)["oldest_event_seconds"] == 77.5
        looked.queues = Queued(ingest=0, dead=5)
        await until(lambda: seen() == (0, 5), what="them to be looked at again")
        looked.connected, looked.queues = False, Queued(ingest=9, dead=9)
        await asyncio.sleep(0.01)
        assert seen() == (0, 5)


async def test_how_long_the_oldest_message_waits(tmp_path: Path) -> None:
    """From when it came, not from when the newest did."""
    parts = _parts(tmp_path)
    assert _values(parts)["oldest_waiting_seconds"] == 0
    began = time.monotonic()
    parts.ingest.deliver(delivery("a"))
    await asyncio.sleep(0.05)
    parts.ingest.deliver(delivery("b"))
    at_least, waits, at_most = 0.05, _values(parts)["oldest_waiting_seconds"], time.monotonic() - began
    assert at_least <= waits <= at_most


@pytest.mark.parametrize(("role", "lags"), [("all", True), ("ingest", True), ("gateway", False)])
def test_for_how_long_retention_is_overdue(tmp_path: Path, role: str, lags: bool) -> None:
    """In a process that removes what is too old; nobody else can be late with it."""
    parts = _parts(tmp_path, role=role, broker_url="amqp://localhost/")
    parts.retention._due_s = time.monotonic() - 40
    assert (40 <= _values(parts)["retention_lag_seconds"] < 100) == lags
    parts.retention._due_s = time.monotonic() + 40
    assert _values(parts)["retention_lag_seconds"] == 0


async def test_how_long_the_event_loop_kept_a_timer_waiting(tmp_path: Path) -> None:
    """The longest since it was last asked, under the number of its worker."""
    parts = _parts(tmp_path)
    async with running(parts.loop_lag.run()):
        await asyncio.sleep(0.01)
        began = time.monotonic()
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is to stand
        stood_s = time.monotonic() - began
        await until(lambda: parts.loop_lag._worst_s > 0.2, what="the loop to be looked at")
        lag_s = _values(parts)["event_loop_lag_seconds 0"]
        assert 0.2 < lag_s <= stood_s + 0.1
        assert _values(parts)["event_loop_lag_seconds 0"] < lag_s


async def test_requests_are_counted_by_route_and_status(tmp_path: Path) -> None:
    """By the path as it stands in the contract, whatever stands in its place; streams and refusals too."""
    async with served(tmp_path) as service, Api(service) as api:
        token = service.token("root", scope="notifications:admin")
        await api.http.get("/healthz")
        await api.http.get("/notifications/history")
        await api.post({"payload": 1})
        for name in ("one", "two"):
            await api.http.get(f"/admin/notifications/{name}", headers=bearer(token))
        await api.http.get("/admin/audit", headers=bearer(service.token("alice")))
        await api.http.get(STREAM)
        async with api.stream("alice") as stream:
            await stream.event("connected")
        expected = {
            ("/healthz", "200"): 1,
            ("/notifications/history", "401"): 1,
            ("/notifications", "400"): 1,
            ("/admin/notifications/{notification_id:path}", "404"): 2,
            ("/admin/audit", "403"): 1,
            (STREAM, "401"): 1,
            (STREAM, "200"): 1,
        }
        exposition = (await api.http.get("/metrics")).text
    counted = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == "notify_sse_http_requests_total"
    }
    assert {where: counted.get(where) for where in expected} == expected
