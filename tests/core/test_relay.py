"""The relay: whatever the live exchange does, the tail ends where the log does, and every stream concerned is woken."""

import asyncio
from collections import Counter
from contextlib import AbstractAsyncContextManager

import pytest

from notify_sse import relay as module
from notify_sse.errors import StoreUnavailable
from notify_sse.hub import Hub
from notify_sse.model import Announcement, Event
from notify_sse.ports import Head
from notify_sse.relay import Relay
from notify_sse.sse import Cursor, Reset
from notify_sse.stream import Stream, Turn
from notify_sse.tail import Tail
from tests.core.doubles import HandStore, metrics, notification, running, until


class Bench:
    """A relay on a store in hand, with one sleeping stream of alice and everyone."""

    def __init__(self, *, rows: int = 0, max_events: int = 1000) -> None:
        self.store = HandStore()
        self.add(rows)
        self.tally: Counter[str] = Counter()
        self.tail = Tail(max_events=max_events, max_bytes=10**9)
        self.hub = Hub()
        self.driven: list[Stream] = []
        self.max_events = max_events
        self.relay = Relay(self.store.port, self.tail, self.hub, metrics(self.tally), drive=self.driven.extend)

    def running(self) -> AbstractAsyncContextManager[None]:
        return running(self.relay.run(max_events=self.max_events, max_bytes=10**9))

    def add(self, count: int, *, recipient: str = "alice") -> Announcement:
        """Append to the log; returns what would be announced."""
        database = self.store.database
        first = len(database.rows) + 1
        names = [f"n{first + number}-{database.epoch}" for number in range(count)]
        database.append([notification(name, recipient=recipient) for name in names])
        return Announcement(database.epoch, first, tuple(database.rows[first - 1 :]))

    def at_head(self) -> bool:
        return self.tail.cursor == Cursor(self.store.database.epoch, len(self.store.database.rows))

    def sleeper(self) -> Stream:
        stream = Stream(("recipient:alice", "topic:all"), self.tail.cursor, generation=self.tail.generation)
        self.hub.join(stream)
        assert stream.pull(self.tail, now_ms=0) is Turn.ASLEEP
        return stream

    def held(self) -> list[int]:
        return [one.id for one in self.tail._order]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison each 20 ms in place of a second."""
    monkeypatch.setattr(module, "COMPARE_S", 0.02)
    monkeypatch.setattr(module, "GRACE_S", 0.002)


@pytest.fixture
def never_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison unless something asks for it."""
    monkeypatch.setattr(module, "COMPARE_S", 3600.0)


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
            bench.relay.hear(bench.add(count).encode())
            assert bench.at_head()
            assert bench.driven == [stream]
            stream.pull(bench.tail, now_ms=0)
            assert stream.pull(bench.tail, now_ms=0) is Turn.ASLEEP
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
            bench.relay.hear(announcement.encode())
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
            bench.relay.hear(announcements[place].encode())
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
async def test_a_reconnect_a_hint_and_what_cannot_be_read_each_ask_the_log() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        for ask in (
            bench.relay.repair,
            lambda: bench.relay.hear(Announcement("e0", len(bench.store.database.rows) + 1).encode()),
            lambda: bench.relay.hear(b"noise"),
        ):
            bench.add(2)
            assert not bench.at_head()
            ask()
            await until(bench.at_head)
    assert bench.tally["announcement unreadable"] == 1


@pytest.mark.usefixtures("never_by_itself")
async def test_a_hint_of_what_is_known_asks_nothing() -> None:
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        calls = bench.store.calls.copy()
        bench.relay.hear(Announcement("e0", 6).encode())
        bench.relay.hear(Announcement("e0", 2).encode())
        await asyncio.sleep(0.02)
        assert bench.store.calls == calls


async def test_announcements_that_come_during_a_read_are_not_taken_twice() -> None:
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.gate.clear()
        one, two = bench.add(2), bench.add(2)
        bench.relay.hear(two.encode())
        await until(lambda: bench.store.calls["head"] >= 1)
        bench.relay.hear(one.encode())
        bench.relay.hear(two.encode())
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


async def test_a_log_that_went_back_resets_those_ahead_of_it() -> None:
    """A standby without the newest events: who had not seen them goes on undisturbed."""
    bench = Bench(rows=5)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        ahead, within = bench.sleeper(), bench.sleeper()
        within.cursor = 2
        bench.store.database.go_back(3)
        await until(lambda: bench.driven)
        assert ahead.pull(bench.tail, now_ms=0) == Reset("ahead_of_log", Cursor("e0", 5), Cursor("e0", 3))
        assert within.pull(bench.tail, now_ms=0) is Turn.COLD


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
        assert stream.pull(bench.tail, now_ms=0) is Turn.COLD
        assert bench.tail.generation == generation


async def test_retention_that_took_everything_moves_the_tail() -> None:
    bench = Bench(rows=3)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        stream = bench.sleeper()
        bench.add(6)
        bench.store.database.expire(9)
        await until(bench.at_head)
        assert (bench.tail.start, len(bench.tail)) == (9, 0)
        assert stream.pull(bench.tail, now_ms=0) is Turn.COLD


async def test_a_stretch_longer_than_a_read_is_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH_EVENTS", 3)
    bench = Bench()
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(10)
        await until(bench.at_head)
        assert bench.held() == list(range(1, 11))
    assert bench.store.calls["stretch"] == 4


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
        await until(lambda: bench.relay.store_away)
        second = asyncio.ensure_future(bench.relay.catch_up())
        await asyncio.gather(first, second)
        assert bench.at_head()
        await until(lambda: not bench.relay.store_away)


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
        bench.relay.hear(bench.add(2).encode())
        assert bench.held() == [1, 2]
        lost, after = bench.add(1), bench.add(1)
        bench.relay.hear(after.encode())
        assert bench.held() == [1, 2]
        bench.relay.hear(lost.encode())
        assert bench.held() == [1, 2, 3]
        bench.store.gate.set()
        await until(bench.at_head)
