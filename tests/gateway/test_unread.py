"""What is unread, from memory: it is never another number than the log's, and it is never waited for in vain."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import frame
from notify_sse.core.model import READ, RECALLED, Event
from notify_sse.core.read_state import ReadState, Unread
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway import unread as module
from notify_sse.gateway.unread import UnreadCounts
from tests.support.polling import until

LATER_MS = int(time.time() * 1000) + 3_600_000


class HandReadState:
    """Counts of a log in memory; while `gate` is not set, nobody is answered."""

    def __init__(self) -> None:
        self.rows: list[Event] = []
        self.floor = 0
        self.epoch = "e"
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[list[str]] = []
        self.failure: Exception | None = None

    def count(self, recipient_id: str, upto: int) -> int:
        """As the database would count: read events are absolute, all else adds up."""
        total = 0
        for row in self.rows[:upto]:
            if row.channel != f"recipient:{recipient_id}":
                continue
            if row.type == READ:
                total = int(row.body.rpartition(b":")[2][:-1])
            elif row.type != RECALLED and not row.silent and row.id > self.floor:
                total += 1
        return total

    async def unread(self, recipients: Sequence[str]) -> list[Unread]:
        self.asked.append(list(recipients))
        position = len(self.rows)
        counts = [self.count(one, position) for one in recipients]
        await self.gate.wait()
        if self.failure:
            raise self.failure
        at = Cursor(self.epoch, position)
        return [
            Unread(count, at, at, oldest=self._oldest(one), expiring_ms=0)
            for one, count in zip(recipients, counts, strict=True)
        ]

    def _oldest(self, recipient_id: str) -> int:
        own = [row.id for row in self.rows if row.channel == f"recipient:{recipient_id}" and row.id > self.floor]
        return own[0] if own else 0


class Bench:
    def __init__(self, *, max_known: int = 10, max_events: int = 100) -> None:
        self.state = HandReadState()
        self.tail = Tail(max_events=max_events, max_bytes=10**6)
        self.tail.restart("e", start=0)
        self.counts = UnreadCounts(cast("ReadState", self.state), self.tail, max_known=max_known)

    def append(
        self,
        recipient: str = "alice",
        kind: str = "note",
        body: bytes = b"{}",
        *,
        expires_ms: int = 0,
        silent: bool = False,
        erases: int = 0,
    ) -> None:
        """A row of the log that the tail does not have yet."""
        place = len(self.state.rows) + 1
        self.state.rows.append(Event(place, f"recipient:{recipient}", kind, body, expires_ms, silent, erases))

    def extend(self) -> None:
        """The tail takes in all that it lacks."""
        before = self.tail.position
        frames = [frame(row, "e") for row in self.state.rows[before:]]
        new = self.tail.extend(before + 1, frames)
        assert isinstance(new, Sequence)
        self.counts.follow(before, new)

    async def ask(self, recipient: str) -> Unread | None:
        """Ask, and wait until it is told."""
        told: asyncio.Future[Unread | None] = asyncio.get_running_loop().create_future()
        self.counts.ask(recipient, told.set_result)
        return await told

    def known(self, recipient: str = "alice") -> int | None:
        found = self.counts.known(recipient)
        return None if found is None else found.count


async def test_what_was_counted_once_is_kept_up_from_the_log() -> None:
    """Notifications add, silent ones do not, a mark says how many; others' do not matter."""
    bench = Bench()
    bench.append()
    bench.extend()
    assert bench.known() is None
    counted = await bench.ask("alice")
    assert counted == Unread(1, Cursor("e", 1), Cursor("e", 1), oldest=1)
    bench.append()
    bench.append(silent=True)
    bench.append("bob")
    bench.extend()
    assert bench.known() == 2
    bench.append(kind=READ, body=b'{"upto":null,"ids":["x"],"read":true,"unread":1}', silent=True)
    bench.append()
    bench.extend()
    assert bench.counts.known("alice") == Unread(2, Cursor("e", 6), Cursor("e", 6))
    assert bench.state.asked == [["alice"]]


@given(st.lists(st.sampled_from(["note", "silent", "read", "bob", "extend", "recall", "skip", "ask"]), max_size=40))
def test_it_is_never_another_number_than_the_logs(steps: list[str]) -> None:
    """Whatever is appended, counted and taken in, in any order: a number that is known is that of its place."""

    async def play() -> None:
        bench = Bench(max_events=6)
        for step in steps:
            await _step(bench, step)
            found = bench.counts.known("alice")
            assert found is None or found.count == bench.state.count("alice", found.at.position), steps

    asyncio.run(play())


async def _step(bench: Bench, step: str) -> None:
    match step:
        case "read":
            bench.append(kind=READ, body=b'{"unread":3}', silent=True)
        case "recall":
            bench.append(kind=RECALLED, silent=True, erases=1)
        case "extend":
            bench.extend()
        case "skip":
            bench.tail.skip(len(bench.state.rows))
        case "ask":
            await bench.ask("alice")
        case _:
            bench.append("bob" if step == "bob" else "alice", silent=step == "silent")


async def test_a_count_that_is_behind_the_tail_is_brought_up() -> None:
    """What the tail takes in while the database counts is added to the answer; what it has already counted is not."""
    bench = Bench()
    bench.append()
    bench.extend()
    bench.state.gate.clear()
    asking = asyncio.ensure_future(bench.ask("alice"))
    await until(lambda: bench.state.asked)
    bench.append()
    bench.extend()
    bench.state.gate.set()
    assert (await asking) == Unread(1, Cursor("e", 1), Cursor("e", 1), oldest=1)
    assert bench.known() == 2
    # The other way: the database is ahead of the tail.
    bench.append("bob")
    counted = await bench.ask("bob")
    assert counted
    assert counted.count == 1
    assert bench.known("bob") == 1
    bench.extend()
    assert bench.known("bob") == 1


async def test_a_crowd_is_counted_together() -> None:
    """One query for all who come in one step, each asked for once; the next for those who come meanwhile."""
    bench = Bench(max_known=1000)
    bench.state.gate.clear()
    crowd = [asyncio.ensure_future(bench.ask(f"r{number % 200}")) for number in range(400)]
    await until(lambda: bench.state.asked)
    late = [asyncio.ensure_future(bench.ask(f"late{number}")) for number in range(50)]
    bench.state.gate.set()
    await asyncio.gather(*crowd, *late)
    assert [len(asked) for asked in bench.state.asked] == [200, 50]


async def test_a_crowd_that_comes_one_by_one_is_counted_together_too() -> None:
    """Who comes shortly after a query for which others came late is asked for with them: no query each."""
    bench = Bench(max_known=1000)
    bench.state.gate.clear()
    first = asyncio.ensure_future(bench.ask("first"))
    await until(lambda: bench.state.asked)
    crowd = [asyncio.ensure_future(bench.ask("late"))]
    bench.state.gate.set()
    await first
    for number in range(50):
        crowd.append(asyncio.ensure_future(bench.ask(f"r{number}")))
        await asyncio.sleep(0)
    await asyncio.gather(*crowd)
    assert [len(asked) for asked in bench.state.asked] == [1, 51]


async def test_nobody_is_waited_for_while_a_whole_query_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ASKED", 2)
    monkeypatch.setattr(module, "PAUSE_S", 60)
    bench = Bench()
    async with asyncio.timeout(5):
        await asyncio.gather(*(bench.ask(f"r{number}") for number in range(6)))
    assert [len(asked) for asked in bench.state.asked] == [2, 2, 2]


async def test_memory_is_bounded() -> None:
    bench = Bench(max_known=10)
    for number in range(30):
        await bench.ask(f"r{number}")
    assert len(bench.counts) == 10
    assert bench.known("r29") == 0
    assert bench.known("r0") is None


async def test_what_expires_is_counted_again() -> None:
    """A notification that has expired is not unread: from then on, the number is not known."""
    bench = Bench()
    await bench.ask("alice")
    bench.append(expires_ms=LATER_MS)
    bench.extend()
    assert bench.known() == 1
    bench.append(expires_ms=int(time.time() * 1000) - 1)
    bench.extend()
    assert bench.known() is None


async def test_what_retention_removes_is_counted_again() -> None:
    bench = Bench()
    bench.append()
    bench.append()
    bench.extend()
    await bench.ask("alice")
    bench.append("bob")
    bench.extend()
    bench.tail.trim(0)
    assert bench.known() == 2
    bench.state.floor = 1
    bench.tail.trim(1)
    assert bench.known() is None


async def test_a_log_that_broke_off_is_counted_anew() -> None:
    """Another epoch, or a log that went back: nothing that was known holds."""
    bench = Bench()
    bench.append()
    bench.extend()
    await bench.ask("alice")
    assert bench.known() == 1
    bench.tail.restart("f", start=5)
    assert bench.known() is None
    await bench.ask("alice")  # the database still speaks of the old log
    assert bench.known() is None


async def test_a_count_that_cannot_be_brought_up_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much came meanwhile, or something that was erased."""
    monkeypatch.setattr(module, "CATCH_UP_EVENTS", 1)
    for kind, erases, more in (("note", 0, 3), (RECALLED, 1, 1)):
        bench = Bench()
        bench.append()
        bench.extend()
        bench.state.gate.clear()
        asking = asyncio.ensure_future(bench.ask("alice"))
        await until(partial(getattr, bench.state, "asked"))
        for _ in range(more):
            bench.append(kind=kind, erases=erases)
        bench.extend()
        bench.state.gate.set()
        assert await asking
        assert bench.known() is None


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), None], ids=["away", "silent"])
async def test_nobody_waits_for_a_database_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """The stream begins, and is told nothing of what is unread. The next one asks again."""
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    bench = Bench()
    bench.state.failure = failure
    if failure is None:
        bench.state.gate.clear()
    assert await bench.ask("alice") is None
    bench.state.failure = None
    bench.state.gate.set()
    assert await bench.ask("alice")


async def test_nobody_waits_for_ever_after_a_bug() -> None:
    """Whatever breaks in the one task that asks, all who wait for it go on."""
    bench = Bench()
    bench.state.failure = ZeroDivisionError()
    asking = [asyncio.ensure_future(bench.ask(name)) for name in ("alice", "bob")]
    assert await asyncio.gather(*asking) == [None, None]
