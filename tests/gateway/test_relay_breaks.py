"""The relay when the log is another one, went back, was overtaken by retention, or is away."""

import asyncio

import pytest

from notify_sse.core.control import Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.model import Announcement, Event
from notify_sse.core.stream import Stream, StreamState
from notify_sse.errors import StoreUnavailable
from notify_sse.telemetry.outage import LOG_HEAD
from tests.gateway.relays import Bench
from tests.support.polling import until

pytestmark = pytest.mark.usefixtures("_quick_relay")


async def test_an_announcement_of_another_epoch_is_not_taken() -> None:
    """It may be of the log that was, or of one that this process has yet to see: only the log can tell."""
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.relay.take(Announcement("e9", 4, (Event(4, "topic:all", "t", b"{}"),)))
        assert bench.tail.position == 3
        await bench.relay.catch_up()
        assert bench.tail.cursor == Cursor("e0", 3)


@pytest.mark.parametrize("position", [3, 5])
async def test_another_log_resets_every_stream(position: int) -> None:
    """Whether it is shorter, or as long as the one before."""
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        bench.store.database.go_back(position)
        bench.store.database.new_epoch()
        await until(lambda: bench.driven == [stream])
        assert stream.pull(bench.tail, now_ms=0) == Reset("unknown_epoch", Cursor("e0", 5), Cursor("e1", position))
        bench.add(2)
        await until(bench.at_head)
        assert bench.held() == [position + 1, position + 2]


async def test_whoever_gave_the_log_a_new_epoch_is_told_that_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """And not to do it once more: that would reset every client again. A log that only went back needs it."""
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.database.new_epoch()
        await bench.relay.catch_up()
        bench.store.database.go_back(3)
        await bench.relay.catch_up()
    told = [(one.levelname, one.message) for one in caplog.records if vars(one)["action"] == "break_off"]
    assert [level for level, _ in told] == ["WARNING", "ERROR"]
    assert ["--new-epoch" in message for _, message in told] == [False, True]
    assert "has a new epoch" in told[0][1]


async def test_a_log_that_went_back_resets_those_ahead_of_it() -> None:
    """A standby without the newest events: who had not seen them goes on undisturbed."""
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        ahead, within = bench.sleeper(), bench.sleeper()
        within.position = 2
        bench.store.database.go_back(3)
        await until(lambda: bench.driven)
        assert ahead.pull(bench.tail, now_ms=0) == Reset("ahead_of_log", Cursor("e0", 5), Cursor("e0", 3))
        assert within.pull(bench.tail, now_ms=0) is StreamState.COLD


async def test_a_log_that_goes_back_between_two_reads_does_not_send_the_relay_round_in_circles() -> None:
    """The head said 9, the stretch finds a log of 2: the relay looks again, and breaks off."""
    bench = Bench(rows=4)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(5)
        sound = bench.store.stretch

        async def stretch(after: int, *, limit: int) -> object:
            bench.store.database.go_back(2)
            return await sound(after, limit=limit)

        bench.store.stretch = stretch  # type: ignore[method-assign,assignment]
        await until(lambda: bench.tail.generation == 2 and bench.at_head())
        assert bench.tail.position == 2
    assert bench.store.calls["stretch"] < 10


async def test_retention_that_overtook_the_tail_moves_it_and_wakes_everyone() -> None:
    """A process cut off for long: what lay between is gone, and each stream learns it from the log."""
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        generation = bench.tail.generation
        bench.add(6)
        bench.store.database.expire(7)
        await until(bench.at_head)
        assert bench.held() == [8, 9]
        assert bench.driven[0] is stream
        assert stream.pull(bench.tail, now_ms=0) is StreamState.COLD
        assert bench.tail.generation == generation


async def test_the_tail_forgets_what_retention_removed() -> None:
    """A cursor below the floor is then told so by the log, as it is where the tail never held those events."""
    bench = Bench(rows=6)
    async with bench.running():
        await until(bench.at_head)
        late = Stream(("recipient:alice",), Cursor(bench.tail.epoch, 2), generation=bench.tail.generation)
        sleeper = bench.sleeper()
        bench.store.database.expire(4)
        bench.relay.repair()
        await until(lambda: bench.held() == [5, 6])
        assert late.pull(bench.tail, now_ms=0) is StreamState.COLD
        assert sleeper.asleep
        assert not bench.driven


async def test_retention_that_took_everything_moves_the_tail() -> None:
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        bench.add(6)
        bench.store.database.expire(9)
        await until(bench.at_head)
        assert (bench.tail.start, len(bench.tail)) == (9, 0)
        assert stream.pull(bench.tail, now_ms=0) is StreamState.COLD


async def test_catching_up_waits_for_the_head_of_when_it_was_asked() -> None:
    """Also when a comparison is under way that began before."""
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        for _ in range(20):
            bench.relay.repair()
            await asyncio.sleep(0)
            announcement = bench.add(1)
            await bench.relay.catch_up()
            assert bench.tail.position >= announcement.first


async def test_catching_up_waits_while_the_store_is_away() -> None:
    """For each that asked; and the absence is seen from outside."""
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(3)
        bench.store.failures = [StoreUnavailable("away")] * 3
        first = asyncio.ensure_future(bench.relay.catch_up())
        await until(lambda: bench.outage.away(LOG_HEAD))
        second = asyncio.ensure_future(bench.relay.catch_up())
        await asyncio.gather(first, second)
        assert bench.at_head()
        await until(lambda: not bench.outage.away(LOG_HEAD))


async def test_a_caller_that_gives_up_does_not_take_the_others_along() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.gate.clear()
        first, second = (asyncio.ensure_future(bench.relay.catch_up()) for _ in range(2))
        await until(lambda: bench.store.calls["head"])
        first.cancel()
        bench.store.gate.set()
        await second


async def test_it_starts_while_the_store_is_away() -> None:
    bench = Bench(rows=3)
    bench.store.failures = [StoreUnavailable("away")] * 2
    async with bench.running():
        await until(lambda: bench.relay.filled)
        assert bench.at_head()


async def test_live_goes_on_while_the_store_is_away() -> None:
    """Announcements need no store; a hole waits for it, and nothing beyond the hole is shown."""
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.gate.clear()
        bench.relay.take(bench.add(2))
        assert bench.held() == [1, 2]
        lost, after = bench.add(1), bench.add(1)
        bench.relay.take(after)
        assert bench.held() == [1, 2]
        bench.relay.take(lost)
        assert bench.held() == [1, 2, 3]
        bench.store.gate.set()
        await until(bench.at_head)


async def test_who_waits_for_the_log_waits_on_when_a_read_fails() -> None:
    """Those from before the read, and those who came during it."""
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(2)
        bench.store.gate.clear()
        early = asyncio.ensure_future(bench.relay.catch_up())
        calls = bench.store.calls["head"]
        await until(lambda: bench.store.calls["head"] > calls)
        late = asyncio.ensure_future(bench.relay.catch_up())
        await asyncio.sleep(0)
        bench.store.failures = [StoreUnavailable("away")]
        bench.store.gate.set()
        await asyncio.gather(early, late)
        assert bench.at_head()
