"""The journal, on both databases: what is written is found again, and nothing of the log waits for it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from notify_sse.core.journal import (
    Accepted,
    Closed,
    Entries,
    Forgotten,
    Journal,
)
from notify_sse.core.model import GONE
from notify_sse.core.ports import Store
from notify_sse.store import open_journal, open_read_state
from tests.store.subject import Subject, beat, connection, notification

DAY_S = 86_400.0


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@asynccontextmanager
async def opened(subject: Subject) -> AsyncIterator[tuple[Store, Journal]]:
    async with subject.opened() as store:
        journal = open_journal(subject.url)
        try:
            yield store, journal
        finally:
            await journal.close()


def closed(connection_id: str, *, position: int = 9, closed_ms: int = 2000) -> Closed:
    return Closed(connection_id=connection_id, position=position, closed_ms=closed_ms, reason="client")


async def test_a_connection_is_found_as_it_was_written(subject: Subject) -> None:
    """Open, then closed; or both at once. A second end changes nothing: the first stands."""
    whole = connection("c1", recipient_id="älice\0", topics=("a", "b"), filtered=True, resumed_at=4)
    async with opened(subject) as (_, journal):
        await journal.write(
            Entries(beat=beat(), opened=(whole, connection("c2", opened_ms=500)), closed=(closed("c2"),))
        )
        [row] = await journal.newest("älice\0", limit=9)
        assert (row.opened, row.closed) == (whole, None)
        await journal.write(Entries(beat=beat(), opened=(whole,), closed=(closed("c1"),)))
        [row] = await journal.newest("älice\0", limit=9)
        assert (row.opened, row.closed) == (whole, closed("c1")), "its end came with it, when it was there already"
        await journal.write(Entries(beat=beat(), opened=(whole,), closed=(closed("c1", position=98),)))
        await journal.write(Entries(beat=beat(), opened=(whole,)))
        await journal.write(Entries(beat=beat(), closed=(closed("c1"), closed("unknown"))))
        await journal.write(Entries(beat=beat(), closed=(closed("c1", position=99),)))
        [row] = await journal.newest("älice\0", limit=9)
        assert (row.opened, row.closed) == (whole, closed("c1"))
        [row] = await journal.newest("alice", limit=9)
        assert row.closed == closed("c2")
        assert await journal.newest("bob", limit=9) == []


async def test_connections_of_an_erased_recipient_are_not_kept(subject: Subject) -> None:
    """Those of the gateway that says so, until then: it may have written one before it heard of the erasure."""
    async with opened(subject) as (_, journal):
        others = connection("c2", gateway="g2")
        await journal.write(
            Entries(beat=beat(), opened=(connection("c1"), others, connection("c3", recipient_id="bob")))
        )
        later = connection("c4", opened_ms=1001)
        erased = Forgotten(recipient_id="alice", until_ms=1000)
        await journal.write(Entries(beat=beat(), opened=(later,), closed=(closed("c1"),), erased=(erased,)))
        assert [row.opened for row in await journal.newest("alice", limit=9)] == [later, others]
        assert len(await journal.newest("bob", limit=9)) == 1


async def test_connections_are_listed_newest_first_and_since_a_time_oldest_first(subject: Subject) -> None:
    async with opened(subject) as (_, journal):
        some = tuple(connection(f"c{number}", opened_ms=1000 + number) for number in range(5))
        ends = tuple(closed(f"c{number}", closed_ms=2000 + number) for number in range(4))
        await journal.write(Entries(beat=beat(), opened=some, closed=ends))
        newest = await journal.newest("alice", limit=2)
        assert [row.opened.connection_id for row in newest] == ["c4", "c3"]
        since = await journal.since("alice", since_ms=2002, limit=9)
        assert [row.opened.connection_id for row in since] == ["c2", "c3", "c4"]


async def test_each_gateway_has_one_row_with_its_last_beat(subject: Subject) -> None:
    async with opened(subject) as (_, journal):
        for position in (1, 7):
            await journal.write(Entries(beat=beat(position, stopped=position == 7)))
        [gateway] = await journal.gateways(since_ms=0)
        assert gateway.beat == beat(7, stopped=True)
        assert gateway.began_ms <= gateway.beat_ms
        assert 0 <= gateway.age_s < 60
        assert await journal.gateways(since_ms=gateway.beat_ms + 1) == []


async def test_a_notification_is_found_with_or_without_its_channel(subject: Subject) -> None:
    """The same id may be in several channels; and the way of each is that of the run that it lies in."""
    body = json.dumps({"timestamp": "2026-11-22T10:00:00Z"}).encode()
    async with opened(subject) as (store, journal):
        for channel in ("recipient:alice", "recipient:bob", "topic:all"):
            await store.append([notification("n1", channel=channel, body=body, expires_ms=77)])
        run = Accepted(first=1, last=2, way="amqp", gateway="g1", committed_ms=5, announced=False)
        await journal.write(Entries(beat=beat(), accepted=(run,)))
        found = {one.channel: one for one in await journal.find("n1", None)}
        assert sorted(found) == ["recipient:alice", "recipient:bob", "topic:all"]
        [alone] = await journal.find("n1", "recipient:bob")
        assert alone == found["recipient:bob"]
        assert (alone.id, alone.type, alone.timestamp, alone.expires_ms) == (
            2,
            "new_message",
            "2026-11-22T10:00:00Z",
            77,
        )
        assert alone.committed_ms > 1e12
        assert [found[name].accepted for name in sorted(found)] == [run, run, None]
        assert await journal.find("other", None) == []
        assert await journal.epoch() == (await store.head()).epoch


async def test_of_what_was_recalled_it_is_found_when(subject: Subject) -> None:
    """By the event of its own channel, not by that of another notification; of what was erased, nobody knows."""
    async with opened(subject) as (store, journal), subject.erasure() as erasure:
        for name, channel in (("n1", "recipient:alice"), ("n2", "recipient:alice"), ("n1", "topic:all")):
            await store.append([notification(name, channel=channel)])
        assert await erasure.recall("recipient:alice", "n1")
        [one] = await journal.find("n1", "recipient:alice")
        assert (one.type, one.recalled_ms >= one.committed_ms > 1e12) == (GONE, True)
        assert [other.recalled_ms for other in await journal.find("n2", None)] == [0]
        assert sorted(other.recalled_ms for other in await journal.find("n1", None)) == [0, one.recalled_ms]
        assert await erasure.recall("recipient:alice", "n2")
        [two] = await journal.find("n2", None)
        await subject.sql("UPDATE log SET created_ms = 7 WHERE id = 5")
        assert [two.recalled_ms > 7, (await journal.find("n2", None))[0].recalled_ms] == [True, 7]


async def test_what_a_recipient_marked_is_found_in_the_log(subject: Subject) -> None:
    """As both databases write it down: up to a cursor, and by ids; of this recipient, and since then."""
    async with opened(subject) as (store, journal):
        for name in ("n1", "n2"):
            await store.append([notification(name, channel="recipient:alice")])
        await store.append([notification("n1", channel="recipient:bob")])
        reads = open_read_state(subject.url)
        await reads.mark("alice", ["n2"], read=True)
        await reads.mark("alice", ["n2"], read=False)
        await reads.mark_upto("alice", 2)
        await reads.mark_upto("bob", 3)
        await reads.close()
        by_id, unread, upto = await journal.marks("alice", after=0, limit=9)
        assert [(one.ids, one.read, one.upto) for one in (by_id, unread)] == [(("n2",), True, 0), (("n2",), False, 0)]
        assert (upto.ids, upto.read, upto.upto) == ((), True, 2)
        assert by_id.at_ms > 1e12
        assert await journal.marks("alice", after=unread.position, limit=9) == [upto]
        assert await journal.marks("alice", after=0, limit=1) == [by_id]


async def test_what_is_older_than_the_log_is_removed(subject: Subject) -> None:
    """But not a connection that is still open at a gateway that lives."""
    async with opened(subject) as (store, journal):
        assert await journal.oldest_event_s() == 0
        await store.append([notification("n1")])
        assert 0 <= await journal.oldest_event_s() < 60
        old = Accepted(first=1, last=2, way="http", gateway="g1", committed_ms=5, announced=False)
        rows = (connection("open"), connection("ended"), connection("died", gateway="g0"))
        await journal.write(Entries(beat=beat(), opened=rows, closed=(closed("ended"),), accepted=(old,)))
        assert await journal.expire(retention_s=DAY_S, limit=100) == 3
        assert [row.opened.connection_id for row in await journal.newest("alice", limit=9)] == ["open"]
        assert await journal.expire(retention_s=DAY_S, limit=100) == 0
