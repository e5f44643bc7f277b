"""The relay: whatever the live exchange does, the tail ends where the log does, and every stream concerned is woken."""

import asyncio

import pytest

from notify_sse.core.model import Announcement
from notify_sse.core.ports import Head
from notify_sse.core.stream import StreamState
from notify_sse.gateway import relay as module
from tests.gateway.relays import Bench
from tests.support.polling import until

pytestmark = pytest.mark.usefixtures("_quick_relay")


@pytest.mark.parametrize(("rows", "max_events"), [(0, 10), (5, 10), (25, 10)])
async def test_the_tail_is_filled_before_anything_else(rows: int, max_events: int) -> None:
    """With the newest stretch of the log, so that those who come back after a restart find it there."""
    bench = Bench(rows=rows, max_events=max_events)
    early = bench.add(1)
    bench.relay.take(early)
    assert not bench.relay.filled
    async with bench.running():
        await until(lambda: bench.relay.filled)
    assert bench.at_head()
    assert bench.held() == list(range(max(1, rows + 2 - max_events), rows + 2))


@pytest.mark.usefixtures("never_by_itself")
async def test_announcements_in_order_need_no_read() -> None:
    """The fast path: taken at once, without an await, and the readers are driven in the same step."""
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        calls = bench.store.calls.copy()
        for count in (1, 4, 2):
            bench.relay.take(bench.add(count))
            assert bench.at_head()
            assert bench.driven == [stream]
            stream.pull(bench.tail, now_ms=0)
            assert stream.pull(bench.tail, now_ms=0) is StreamState.ASLEEP
            bench.driven.clear()
        assert bench.store.calls == calls
    assert bench.tally["holes found"] == 0


@pytest.mark.usefixtures("never_by_itself")
async def test_repeats_and_overlaps_are_dropped() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        one, two = bench.add(2), bench.add(3)
        both = Announcement("e0", 1, one.events + two.events)
        for announcement in (one, one, both, two, one, both):
            bench.relay.take(announcement)
        assert bench.held() == [1, 2, 3, 4, 5]
    assert bench.tally["duplicates dropped"] == 14
    assert bench.tally["holes found"] == 0


@pytest.mark.usefixtures("never_by_itself")
@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2), (2,), (2, 2, 0), (0, 2, 1)])
async def test_a_hole_is_read_from_the_log(order: tuple[int, ...]) -> None:
    """Lost or out of order: nothing is added beyond the hole, and one read repairs it for the whole process."""
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        announcements = [bench.add(2), bench.add(1), bench.add(2)]
        for place in order:
            bench.relay.take(announcements[place])
        await until(bench.at_head)
        assert bench.held() == [1, 2, 3, 4, 5]
        assert stream in bench.driven
    assert bench.tally["holes found"] >= 1


async def test_a_lost_announcement_is_found_though_nothing_follows() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        bench.add(3)
        await until(bench.at_head)
        assert bench.driven == [stream]


@pytest.mark.usefixtures("never_by_itself")
async def test_a_reconnect_and_a_hint_each_ask_the_log() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        for ask in (
            bench.relay.repair,
            lambda: bench.relay.take(Announcement("e0", len(bench.store.database.rows) + 1)),
        ):
            bench.add(2)
            assert not bench.at_head()
            ask()
            await until(bench.at_head)


@pytest.mark.usefixtures("never_by_itself")
async def test_a_hint_of_what_is_known_asks_nothing() -> None:
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        calls = bench.store.calls.copy()
        bench.relay.take(Announcement("e0", 6))
        bench.relay.take(Announcement("e0", 2))
        await asyncio.sleep(0.02)
        assert bench.store.calls == calls


async def test_announcements_that_come_during_a_read_are_not_taken_twice() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.gate.clear()
        one, two = bench.add(2), bench.add(2)
        bench.relay.take(two)
        await until(lambda: bench.store.calls["head"] >= 1)
        bench.relay.take(one)
        bench.relay.take(two)
        assert bench.held() == [1, 2, 3, 4]
        bench.store.gate.set()
        await bench.relay.catch_up()
        assert bench.held() == [1, 2, 3, 4]


async def test_a_head_read_before_an_announcement_does_not_break_the_log_off() -> None:
    """The comparison's answer is older than what came meanwhile: that is no log that went back."""
    bench = Bench()
    sound = bench.store.head

    async def overtaken_head() -> Head:
        head = await sound()
        bench.relay.take(bench.add(1))
        return head

    bench.store.head = overtaken_head  # type: ignore[method-assign]
    async with bench.running():
        await until(lambda: bench.relay.filled)
        generation = bench.tail.generation
        for _ in range(3):
            await bench.relay.catch_up()
            assert bench.at_head()
        assert bench.tail.generation == generation


async def test_a_stretch_longer_than_a_read_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH_EVENTS", 3)
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(10)
        await until(bench.at_head)
        assert bench.held() == list(range(1, 11))
    assert bench.store.calls["stretch"] == 4


async def test_a_gap_in_the_log_is_passed_once() -> None:
    """An event erased from the middle, or a restore by hand: its neighbours reach each stream once, and the tail is at
    the head.
    """
    bench = Bench(rows=2)
    async with bench.running():
        await bench.relay.when_filled()
        bench.sleeper()
        bench.add(3)
        bench.store.database.erased.add(4)
        await until(bench.at_head)
        await bench.relay.catch_up()
        assert bench.held() == [1, 2, 3, 5]
        bench.relay.take(bench.add(1))
    assert bench.held() == [1, 2, 3, 5, 6]


@pytest.mark.parametrize("erased", [{1}, {4}, {6}, {5, 6}, {1, 2, 3, 4, 5, 6}, {2, 4}])
async def test_a_tail_is_filled_from_a_log_with_gaps(erased: set[int]) -> None:
    """What comes next follows the head, whatever is missing before it."""
    bench = Bench(rows=6)
    bench.store.database.erased |= erased
    async with bench.running():
        await bench.relay.when_filled()
        assert bench.held() == [place for place in range(1, 7) if place not in erased]
        assert bench.tail.position == 6
        bench.relay.take(bench.add(2))
        assert bench.held()[-2:] == [7, 8]


async def test_announcements_of_another_log_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Two services with two databases on one exchange: half of the messages go astray. Said once, and counted; the log
    is not asked for each of them.
    """
    bench = Bench(rows=1)
    async with bench.running():
        await bench.relay.when_filled()
        for _ in range(3):
            bench.relay.take(Announcement("foreign", 1))
            await bench.relay.catch_up()
        asked = bench.store.calls["head"]
        bench.relay.take(Announcement("foreign", 1))
        assert not bench.relay._wanted.is_set()
    assert bench.store.calls["head"] <= asked + 1
    assert bench.tally["foreign epoch"] == 4
    assert [vars(record)["action"] for record in caplog.records if record.levelname == "ERROR"] == ["foreign_epoch"]


async def test_a_new_epoch_of_our_own_log_is_not_foreign(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the new one, heard before this process has looked, nor the one before, heard late."""
    bench = Bench(rows=1)
    async with bench.running():
        await bench.relay.when_filled()
        before = bench.store.database.epoch
        bench.store.database.new_epoch()
        for epoch in (bench.store.database.epoch, before):
            bench.relay.take(Announcement(epoch, 2))
            await bench.relay.catch_up()
    assert bench.tally["foreign epoch"] == 0
    assert "foreign_epoch" not in [vars(record)["action"] for record in caplog.records]
