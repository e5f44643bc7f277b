"""The journal's writer by itself: what it keeps, what it gives up, and what it tells of that."""

import asyncio
from typing import Any, cast

import pytest

from notify_sse.core.control import Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.journal import Entries, Figures, Holder, Journal
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Tail
from notify_sse.errors import StoreRefused, StoreUnavailable
from notify_sse.gateway import journal_writer
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.holders import Holders
from notify_sse.gateway.journal_writer import JournalWriter
from notify_sse.gateway.report import HOLDERS, RESETS, Reporter
from tests.gateway.one_connection import SlowTransport
from tests.support.doubles import metrics


class HandJournal:
    """Writes down what it is given, unless it `fails`; while `gate` is not set it takes its time."""

    def __init__(self) -> None:
        self.written: list[Entries] = []
        self.fails: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, entries: Entries) -> None:
        await self.gate.wait()
        if self.fails:
            raise self.fails
        self.written.append(entries)


class Bench:
    def __init__(self) -> None:
        self.journal = HandJournal()
        self.tail = Tail(max_events=10, max_bytes=10**6)
        self.tail.restart("e", start=3)
        self.open: list[Connection] = []
        self.holders = Holders()
        self.writer = JournalWriter(
            cast("Journal", self.journal),
            self.tail,
            metrics(),
            connections=self.open,
            announces=lambda: True,
            lag_events=lambda: 4,
            reporter=Reporter(lambda: Figures(stored=7), self.holders),
            salt="s",
        )

    def connection(self, name: str, *, recipient: str = "alice", reset: Reset | None = None) -> Connection:
        stream = Stream((f"recipient:{recipient}",), self.tail.cursor, generation=1)
        return Connection(stream, SlowTransport(), connection_id=name, recipient_id=recipient, reset=reset)

    async def write(self) -> Entries | None:
        """One beat; what was written with it."""
        before = len(self.journal.written)
        await self.writer.finish()
        return self.journal.written[before] if len(self.journal.written) > before else None


async def test_a_stream_that_goes_on_in_another_log_is_a_row_of_its_own() -> None:
    """Within one log, what retention took is in no log any more."""
    bench = Bench()
    connection = bench.connection("c")
    bench.writer.opened(connection)
    bench.writer.moved(connection, Reset("expired", Cursor("e", 1), Cursor("e", 3)))
    bench.writer.moved(connection, Reset("unknown_epoch", Cursor("before", 7), Cursor("e", 3)))
    bench.writer.closed(connection)
    entries = await bench.write()
    assert entries
    assert [one.connection_id for one in entries.opened] == ["c", "c.1"]
    assert [(one.connection_id, one.position, one.reason) for one in entries.closed] == [
        ("c", 7, "reset"),
        ("c.1", 3, "client"),
    ]


async def test_what_cannot_be_written_is_written_with_the_next() -> None:
    bench = Bench()
    bench.writer.opened(bench.connection("c"))
    bench.journal.fails = StoreUnavailable("away")
    assert await bench.write() is None
    bench.journal.fails = None
    entries = await bench.write()
    assert entries
    assert [one.connection_id for one in entries.opened] == ["c"]


async def test_the_first_beat_comes_at_once_and_is_not_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is let in after it is known to somebody, even if the process dies within its first second."""
    monkeypatch.setattr(journal_writer, "EVERY_S", 1000.0)
    for fails in (None, StoreUnavailable("away")):
        bench = Bench()
        bench.journal.fails = fails
        bench.journal.gate.clear()
        writing = asyncio.ensure_future(bench.writer.run())
        begun = asyncio.ensure_future(bench.writer.begun())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not begun.done()
        bench.journal.gate.set()
        async with asyncio.timeout(30):
            await begun
        assert len(bench.journal.written) == (0 if fails else 1)
        writing.cancel()


async def test_what_is_under_way_at_the_end_is_written_again() -> None:
    """The task is cancelled in the middle of a write, of which nobody knows whether it was carried out."""
    bench = Bench()
    bench.writer.opened(bench.connection("c"))
    bench.writer.accepted(1, 3, "http")
    bench.journal.gate.clear()
    writing = asyncio.ensure_future(bench.writer.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    bench.journal.gate.set()
    entries = await bench.write()
    assert entries
    assert [one.connection_id for one in entries.opened] == ["c"]
    assert ([one.last for one in entries.accepted], entries.beat.stopped) == ([3], True)


async def test_an_erased_recipient_is_forgotten_with_what_was_not_written_yet() -> None:
    """Also what was under way to the database, and came back."""
    bench = Bench()
    bench.writer.opened(bench.connection("c", reset=Reset("ahead_of_log", Cursor("e", 9), Cursor("e", 3))))
    bench.journal.fails = StoreUnavailable("away")
    bench.journal.gate.clear()
    writing = asyncio.ensure_future(bench.write())
    await asyncio.sleep(0)
    bench.writer.opened(bench.connection("d"))
    bench.writer.erased("alice")
    bench.journal.gate.set()
    await writing
    bench.journal.fails = None
    entries = await bench.write()
    assert entries
    assert (entries.opened, [one.recipient_id for one in entries.erased]) == ((), ["alice"])
    assert entries.beat.report.resets == ()


async def test_what_is_refused_or_finds_no_room_is_lost_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace says then that it does not know."""
    monkeypatch.setattr(journal_writer, "MAX_WAITING", 1)
    bench = Bench()
    connection = bench.connection("c")
    bench.writer.opened(connection)
    bench.writer.opened(bench.connection("d"))
    bench.writer.closed(connection)
    bench.journal.fails = StoreRefused("no text", items=[])
    assert await bench.write() is None
    bench.journal.fails = None
    entries = await bench.write()
    assert entries
    assert (entries.opened, entries.closed, entries.beat.lost) == ((), (), 3)


async def test_the_last_write_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "LAST_WRITE_S", 0.01)
    bench = Bench()
    bench.journal.gate.clear()
    await bench.writer.finish()
    assert not bench.journal.written


async def test_of_many_that_are_behind_the_furthest_is_the_place_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_writer, "MAX_LAGGING", 1)
    bench = Bench()
    bench.open += [bench.connection("c"), bench.connection("d")]
    for connection, place in zip(bench.open, (3, 2), strict=True):
        cast("Any", connection.stream).position = place
        cast("Any", connection.stream).asleep = False
    entries = await bench.write()
    assert entries
    assert (entries.beat.position, entries.beat.lagging) == (2, ())
    assert (entries.beat.streams, entries.beat.lag) == (2, 4)


async def test_a_beat_tells_who_holds_most_streams_and_what_was_done() -> None:
    """The busiest first, and not more than whoever looks would read."""
    bench = Bench()
    bench.open += [bench.connection(f"c{n}", recipient=f"r{n // 2 if n < 4 else n}") for n in range(HOLDERS + 9)]
    for n, connection in enumerate(bench.open):
        bench.holders.opened(connection.recipient_id, 2 if n in (1, 3) else 1)
    entries = await bench.write()
    assert entries
    report = entries.beat.report
    assert (report.recipients, len(report.holders)) == (HOLDERS + 7, HOLDERS)
    assert set(report.holders[:2]) == {Holder("r0", 2), Holder("r1", 2)}
    assert report.figures == Figures(stored=7)


async def test_a_beat_tells_the_newest_resets_whenever_they_come() -> None:
    """With which a client came, by which the log broke off, and by which retention overtook a stream."""
    bench = Bench()
    expired = Reset("expired", Cursor("e", 1), Cursor("e", 3))
    bench.writer.opened(bench.connection("c", reset=Reset("ahead_of_log", Cursor("e", 9), Cursor("e", 3))))
    bench.writer.moved(bench.connection("d"), expired)
    bench.writer.moved(bench.connection("d"), Reset("unknown_epoch", Cursor("before", 7), Cursor("e", 3)))
    entries = await bench.write()
    assert entries
    told = [(one.connection_id, one.recipient_id, one.reason) for one in entries.beat.report.resets]
    assert told == [("c", "alice", "ahead_of_log"), ("d", "alice", "expired"), ("d", "alice", "unknown_epoch")]
    for _ in range(RESETS):
        bench.writer.moved(bench.connection("x"), expired)
    entries = await bench.write()
    assert entries
    assert [one.connection_id for one in entries.beat.report.resets] == ["x"] * RESETS


async def test_sleepers_are_looked_at_again_once_the_tail_has_moved_or_somebody_opened() -> None:
    """At rest they are not: there are ten thousand of them, and each beat would touch them all."""
    bench = Bench()
    sleeper = bench.connection("c")
    bench.writer.opened(sleeper)
    bench.open.append(sleeper)
    assert sleeper.stream.sleeps(bench.tail)
    lagging = [await _lagging(bench), await _lagging(bench)]
    sleeper.stream.asleep = False  # as nothing does without the tail
    lagging.append(await _lagging(bench))
    bench.tail.skip(4)
    lagging.append(await _lagging(bench))
    assert sleeper.stream.sleeps(bench.tail) is False
    sleeper.stream.position = 4
    assert sleeper.stream.sleeps(bench.tail)
    lagging.append(await _lagging(bench))
    bench.open.append(bench.connection("d"))
    bench.writer.opened(bench.open[-1])
    lagging.append(await _lagging(bench))
    assert lagging == [[], [], [], ["c"], [], ["d"]]


async def _lagging(bench: Bench) -> list[str]:
    entries = await bench.write()
    assert entries
    return [one.connection_id for one in entries.beat.lagging]
