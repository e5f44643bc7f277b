"""Group commit: one batch at a time, each caller told of its own, in order, and only after commit and announcement."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from notify_sse.core.cursor import Cursor
from notify_sse.core.model import Announcement, Notification
from notify_sse.core.ports import Appended
from notify_sse.errors import Overloaded, StoreUnavailable
from notify_sse.log import append as module
from notify_sse.log.append import Appender, Logged, Outcome, Refused
from notify_sse.telemetry.outage import Outage
from tests.simulation.database import POISON
from tests.support.doubles import HandStore, metrics, notification, running
from tests.support.polling import until


class Bench:
    """An appender on a store in hand. `heard` are the announcements, `told` the order of announcements and answers."""

    def __init__(self) -> None:
        self.store = HandStore()
        self.heard: list[Announcement] = []
        self.told: list[str] = []
        self.outage = Outage("the store")
        self.appender = Appender(self.store.port, metrics(), outage=self.outage, on_committed=self._hear)

    def _hear(self, announcement: Announcement) -> None:
        self.heard.append(announcement)
        self.told += [f"announced {event.id}" for event in announcement.events]

    async def append(self, *names: str) -> list[Outcome]:
        return await self.append_all([notification(name) for name in names])

    async def append_all(self, batch: Sequence[Notification]) -> list[Outcome]:
        outcomes = await self.appender.append(batch)
        self.told += [f"answered {position}" for _, position in brief(outcomes)]
        return outcomes


def brief(outcomes: list[Outcome]) -> list[tuple[str, int]]:
    """Each with its position in the log, 0 for none."""
    return [(one.outcome, 0 if isinstance(one, Refused) else one.cursor.position) for one in outcomes]


def poison(name: str) -> Notification:
    return notification(name, kind=POISON)


async def test_what_arrives_during_a_commit_goes_together_into_the_next() -> None:
    """So that throughput grows with load; and each caller gets its own outcomes, in its own order."""
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        first = asyncio.ensure_future(bench.append("a"))
        await until(lambda: bench.store.batches)
        others = [asyncio.ensure_future(bench.append(*names)) for names in (["b", "c"], ["d"], ["e", "a", "f"])]
        await asyncio.sleep(0)
        bench.store.gate.set()
        assert brief(await first) == [("new", 1)]
        assert [brief(await other) for other in others] == [
            [("new", 2), ("new", 3)],
            [("new", 4)],
            [("new", 5), ("duplicate", 1), ("new", 6)],
        ]
    assert bench.store.batches == [["a"], ["b", "c", "d", "e", "a", "f"]]


async def test_a_lone_notification_waits_for_nobody() -> None:
    bench = Bench()
    async with running(bench.appender.run()):
        assert await bench.append("a") == [Logged("new", Cursor("e0", 1))]
        assert bench.store.batches == [["a"]]


async def test_callers_go_on_only_after_the_announcement() -> None:
    """Store, then announce, then answer: whoever acks on the answer leaves nothing unannounced behind."""
    bench = Bench()
    async with running(bench.appender.run()):
        await bench.append("a", "b")
    assert bench.told == ["announced 1", "announced 2", "answered 1", "answered 2"]


async def test_only_what_is_new_is_announced_with_its_content() -> None:
    """A duplicate is where it was, and a conflict's content is not the log's."""
    bench = Bench()
    async with running(bench.appender.run()):
        await bench.append("a")
        changed = notification("a", text="changed")
        outcomes = await bench.append_all([notification("a"), changed, notification("b")])
    assert brief(outcomes) == [("duplicate", 1), ("conflict", 1), ("new", 2)]
    assert [event.id for event in bench.heard[-1].events] == [2]
    assert bench.heard[-1].first == 2


async def test_a_batch_of_known_ones_still_says_how_far_the_log_reaches() -> None:
    """Whoever appended them may have died before announcing: the hint makes every relay look."""
    bench = Bench()
    async with running(bench.appender.run()):
        await bench.append("a", "b")
        await bench.append("b", "a")
    assert bench.heard[-1] == Announcement("e0", 3)


async def test_an_absent_store_is_waited_for() -> None:
    """The same batch again, until it is stored; what arrives meanwhile comes after it."""
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")] * 3
    async with running(bench.appender.run()):
        waiting = asyncio.ensure_future(bench.append("a"))
        await until(lambda: len(bench.store.batches) == 2)
        later = asyncio.ensure_future(bench.append("b"))
        assert brief(await waiting) == [("new", 1)]
        assert brief(await later) == [("new", 2)]
    assert bench.store.batches == [["a"]] * 4 + [["b"]]


async def test_an_unknown_outcome_is_found_out() -> None:
    """The commit happened, its answer was lost: the retry finds it, stores nothing twice, and tells every relay."""
    bench = Bench()
    bench.store.late = [StoreUnavailable("the answer was lost")]
    async with running(bench.appender.run()):
        assert brief(await bench.append("a", "b")) == [("duplicate", 1), ("duplicate", 2)]
    assert len(bench.store.database.rows) == 2
    assert bench.heard == [Announcement("e0", 3)]


async def test_a_refusal_touches_nobody_else() -> None:
    """Neither other callers nor the caller's own others; all is stored in its order, and each is told of its own."""
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        blocker = asyncio.ensure_future(bench.append("blocker"))
        await until(lambda: bench.store.batches)
        good = [asyncio.ensure_future(bench.append(name)) for name in ("a", "b")]
        bad = asyncio.ensure_future(bench.append_all([notification("c"), poison("x"), notification("d")]))
        last = asyncio.ensure_future(bench.append("e"))
        await asyncio.sleep(0)
        bench.store.gate.set()
        await blocker
        assert [brief(await one) for one in good] == [[("new", 2)], [("new", 3)]]
        assert brief(await bad) == [("new", 4), ("refused", 0), ("new", 5)]
        assert brief(await last) == [("new", 6)]
    assert [event.id for announcement in bench.heard for event in announcement.events] == [1, 2, 3, 4, 5, 6]


async def test_a_refusal_says_what_the_database_said() -> None:
    bench = Bench()
    async with running(bench.appender.run()):
        assert await bench.append_all([poison("x")]) == [Refused("will not have it")]
    assert bench.heard == []


async def test_what_gave_up_while_a_refused_batch_is_cut_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deliveries are back in their queue, and come again: without an id they would be stored twice. Who waits still
    gets all of its own. Only the transaction under way may store what was given up meanwhile.
    """
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        blocker = asyncio.ensure_future(bench.append("blocker"))
        await until(lambda: bench.store.batches)
        back = asyncio.ensure_future(bench.append_all([poison("x"), *map(notification, "abcde")]))
        waits = asyncio.ensure_future(bench.append("f", "g"))
        _give_up(monkeypatch, bench, back, at_batch=3)
        await asyncio.sleep(0)
        bench.store.gate.set()
        await blocker
        assert brief(await waits) == [("new", 2), ("new", 3)]
    assert bench.store.batches[1:] == [["x", *"abcdefg"], ["x", *"abc"], ["f", "g"]]
    assert bench.store.database.names == ["blocker", "f", "g"]


async def test_a_refused_batch_that_everybody_gave_up_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with running(bench.appender.run()):
        back = asyncio.ensure_future(bench.append_all([poison("x"), notification("a"), notification("b")]))
        _give_up(monkeypatch, bench, back, at_batch=1)
        await until(back.done)
        assert brief(await bench.append("c")) == [("new", 1)]
    assert bench.store.batches == [["x", "a", "b"], ["c"]]


def _give_up(
    monkeypatch: pytest.MonkeyPatch, bench: Bench, caller: asyncio.Future[list[Outcome]], *, at_batch: int
) -> None:
    """Have `caller` give up while that batch is at the store."""
    append = bench.store.append

    async def watched(batch: Sequence[Notification]) -> Appended:
        if len(bench.store.batches) == at_batch - 1:
            caller.cancel()
        return await append(batch)

    monkeypatch.setattr(bench.store, "append", watched)


@pytest.mark.parametrize("place", [0, 1, 255, 256, 511])
async def test_who_is_refused_is_found_by_halving(place: int) -> None:
    """One bad notification costs about twice the logarithm of its batch in transactions, not one for each beside it."""
    bench = Bench()
    batch = [poison("x") if number == place else notification(f"n{number}") for number in range(512)]
    async with running(bench.appender.run()):
        outcomes = await bench.append_all(batch)
    assert [number for number, one in enumerate(outcomes) if isinstance(one, Refused)] == [place]
    assert [position for _, position in brief(outcomes) if position] == list(range(1, 512))
    assert len(bench.store.batches) == 1 + 2 * 9


async def test_several_refusals_are_all_found_while_the_store_comes_and_goes() -> None:
    bench = Bench()
    names = "abcdefghij"
    bench.store.failures = [StoreUnavailable("away"), StoreUnavailable("away")]
    async with running(bench.appender.run()):
        outcomes = await bench.append_all([poison(name) if name in "adej" else notification(name) for name in names])
    assert [name for name, one in zip(names, outcomes, strict=True) if isinstance(one, Refused)] == list("adej")
    assert bench.store.database.names == list("bcfghi")


async def test_a_caller_that_gave_up_before_its_turn_is_not_stored() -> None:
    """And one that gave up during the commit disturbs nobody."""
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        first, second, third = (asyncio.ensure_future(bench.append(name)) for name in "abc")
        await until(lambda: bench.store.batches)
        second.cancel()
        first.cancel()
        bench.store.gate.set()
        assert brief(await third)[0][0] == "new"
        assert brief(await bench.append("d"))[0][0] == "new"
    stored = [one for batch in bench.store.batches for one in batch]
    assert stored.count("c") == 1


async def test_a_caller_that_gave_up_while_the_store_was_away_is_not_stored() -> None:
    """It tries again elsewhere, maybe under another id. Who came later need not wait for it, and keeps the order."""
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")] * 4
    async with running(bench.appender.run()):
        gave_up = asyncio.ensure_future(bench.append("a"))
        await until(lambda: bench.store.batches)
        gave_up.cancel()
        others = [asyncio.ensure_future(bench.append(name)) for name in "bc"]
        assert [brief(await other) for other in others] == [[("new", 1)], [("new", 2)]]
    assert bench.store.database.names == ["b", "c"]


async def test_with_nobody_left_it_still_finds_out_that_the_store_is_back() -> None:
    """Whoever waits for the end of the outage would otherwise wait for ever: nobody else asks to write."""
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")] * 3
    async with running(bench.appender.run()):
        gave_up = asyncio.ensure_future(bench.append("a"))
        await until(lambda: bench.outage.away_s)
        gave_up.cancel()
        await until(lambda: not bench.outage.away_s)
    assert bench.store.database.rows == []


async def test_too_many_waiting_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away must not fill memory. A single caller with more than the limit is still served."""
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        first = asyncio.ensure_future(bench.append("a"))
        await until(lambda: bench.store.batches)
        waiting = asyncio.ensure_future(bench.append("b", "c"))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await bench.append("d", "e")
        bench.store.gate.set()
        await first
        await waiting
        assert len(await bench.append("f", "g", "h", "i", "j")) == 5


async def test_batches_are_bounded_and_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """In events and in bytes; a caller is never split."""
    monkeypatch.setattr(module, "MAX_BATCH", 3)
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 2000)
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        work = [asyncio.ensure_future(bench.append("a"))]
        await until(lambda: bench.store.batches)
        callers = (["b", "c"], ["d"], ["e"], ["f", "g", "h", "i"])
        work += [asyncio.ensure_future(bench.append(*names)) for names in callers]
        large = [notification(name, text="x" * 1500) for name in "jkl"]
        work += [asyncio.ensure_future(bench.append_all([one])) for one in large]
        await asyncio.sleep(0)
        bench.store.gate.set()
        await asyncio.gather(*work)
    assert bench.store.batches == [["a"], ["b", "c", "d"], ["e"], ["f", "g", "h", "i"], ["j"], ["k"], ["l"]]


async def test_nothing_to_append_is_answered() -> None:
    bench = Bench()
    async with running(bench.appender.run()):
        assert await bench.append() == []
    assert bench.heard == []


async def test_a_caller_that_gave_up_while_it_waited_is_passed_over() -> None:
    """What it brought is not stored, and takes no place in the batch."""
    bench = Bench()
    bench.store.gate.clear()
    async with running(bench.appender.run()):
        first = asyncio.ensure_future(bench.append("a"))
        await until(lambda: bench.store.batches)
        second, third = asyncio.ensure_future(bench.append("b")), asyncio.ensure_future(bench.append("c"))
        await asyncio.sleep(0)
        second.cancel()
        bench.store.gate.set()
        await asyncio.gather(first, third)
    assert bench.store.batches == [["a"], ["c"]]


def test_what_was_accepted_is_told_in_runs_without_a_gap() -> None:
    """What was known already, or refused, ends none by itself; a gap in the ids does."""

    def logged(position: int, outcome: Literal["new", "duplicate"] = "new") -> Logged:
        return Logged(outcome, Cursor("e", position))

    outcomes: list[Outcome] = [logged(4), logged(1, "duplicate"), logged(5), Refused("no"), logged(8), logged(9)]
    assert list(module._runs(outcomes)) == [(4, 5), (8, 9)]
    assert list(module._runs([])) == []
