"""A log that lost events, though its head does not show it: found out, told to every stream, given a new epoch once."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notify_sse.core.control import Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.model import Announcement, Event
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway import continuity as module
from notify_sse.gateway.continuity import Continuity
from notify_sse.telemetry.outage import LOG_HEAD
from tests.gateway.relays import Bench
from tests.support.polling import until

pytestmark = pytest.mark.usefixtures("_quick_relay")


@asynccontextmanager
async def _filled(rows: int = 5) -> AsyncIterator[Bench]:
    bench = Bench(rows=rows)
    bench.relay._continuity = Continuity(bench.store.port, bench.tail)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        await bench.relay.catch_up()
        yield bench


def _fail_over(bench: Bench, *, to: int, then: int) -> Announcement:
    """A standby with events up to `to` is promoted, and takes `then` others, before anybody looks."""
    bench.store.database.go_back(to)
    return bench.add(then, recipient="bob")


async def test_a_log_that_went_back_gets_a_new_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """So that a client that comes later, when the ids are used again, is told as well."""
    async with _filled() as bench:
        stream = bench.sleeper()
        bench.store.database.go_back(3)
        await until(lambda: bench.driven == [stream])
        assert stream.pull(bench.tail, now_ms=0) == Reset("unknown_epoch", Cursor("e0", 5), Cursor("e1", 3))
    told = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert ["lost events" in one.getMessage() for one in told] == [True]


@pytest.mark.usefixtures("never_by_itself")
@pytest.mark.parametrize("then", [2, 4])
async def test_an_announcement_that_says_other_than_the_tail_is_a_doubt(then: int) -> None:
    """The head stands where the tail does, or beyond it: by positions nothing is missing."""
    async with _filled() as bench:
        stream = bench.sleeper()
        bench.relay.take(_fail_over(bench, to=3, then=then))
        await until(lambda: bench.tail.epoch == "e1")
        assert stream.pull(bench.tail, now_ms=0) == Reset("unknown_epoch", Cursor("e0", 5), Cursor("e1", 3 + then))


@pytest.mark.parametrize("then", [2, 4, 3000])
async def test_after_the_database_was_away_what_was_told_last_is_compared(then: int) -> None:
    """Nothing was announced, since the broker was away as well."""
    async with _filled() as bench:
        stream = bench.sleeper()
        bench.relay.take(bench.add(3))
        _fail_over(bench, to=6, then=then)
        bench.store.failures = [StoreUnavailable("away")]
        await until(lambda: bench.tail.epoch == "e1")
        assert bench.driven[0] is stream
        await until(bench.at_head)


async def test_events_that_were_taken_from_the_new_log_do_not_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail goes on past what was lost, by announcements, before the log is looked at: all that was told since the
    last comparison is compared, page by page.
    """
    monkeypatch.setattr(module, "PAGE_EVENTS", 2)
    async with _filled() as bench:
        bench.relay.take(bench.add(3))
        bench.store.gate.clear()
        _fail_over(bench, to=6, then=2)
        bench.relay.take(bench.add(20))
        assert (bench.tail.epoch, bench.tail.position) == ("e0", 28)
        bench.store.failures = [StoreUnavailable("away")]
        bench.store.gate.set()
        await until(lambda: bench.tail.epoch == "e1")


async def test_a_sound_log_keeps_its_epoch() -> None:
    """Repeats, what was recalled meanwhile, an outage: no doubt that lasts."""
    async with _filled() as bench:
        both = [bench.add(2), bench.add(2)]
        for announcement in (*both, *both):
            bench.relay.take(announcement)
        bench.store.database.recall("recipient:alice", "n7-e0")
        bench.store.failures = [StoreUnavailable("away")]
        bench.relay.repair()
        await bench.relay.catch_up()
        bench.relay.take(both[1])
        await bench.relay.catch_up()
        assert (bench.tail.cursor, bench.at_head()) == (Cursor("e0", len(bench.store.database.rows)), True)


@pytest.mark.usefixtures("never_by_itself")
async def test_a_wrong_announcement_is_only_a_doubt() -> None:
    """Such as one from a server that is no longer the primary: the log is asked, and is right."""
    async with _filled() as bench:
        stale = bench.add(1)
        bench.relay.take(stale)
        other = Announcement("e0", 6, (Event(6, "recipient:bob", "t", b"{}"),))
        bench.relay.take(other)
        await bench.relay.catch_up()
        assert bench.tail.cursor == Cursor("e0", 6)


async def test_a_new_epoch_that_cannot_be_written_is_tried_again() -> None:
    """Streams here are told at once; whoever comes later is, once the database takes it."""
    async with _filled() as bench:
        stream = bench.sleeper()
        bench.store.refuses_epochs = True
        bench.store.database.go_back(3)
        await until(lambda: bench.driven == [stream])
        assert stream.pull(bench.tail, now_ms=0) == Reset("ahead_of_log", Cursor("e0", 5), Cursor("e0", 3))
        bench.store.refuses_epochs = False
        await until(lambda: bench.tail.epoch == "e1")


async def test_of_several_who_find_out_one_gives_the_epoch() -> None:
    """And one that had its epoch given by somebody else while it looked gives none."""
    async with _filled() as bench:
        bench.store.database.go_back(3)
        assert await bench.store.new_epoch(instead_of="e0") == "e1"
        assert await bench.store.new_epoch(instead_of="e0") == "e1"
        await until(bench.at_head)
        continuity = bench.relay._continuity
        assert continuity
        continuity.doubt()
        bench.relay.take(bench.add(1))
        bench.store.database.new_epoch()
        assert not await continuity.is_broken()
        await until(bench.at_head)
        assert bench.tail.epoch == "e2"
        assert not bench.outage.away(LOG_HEAD)
