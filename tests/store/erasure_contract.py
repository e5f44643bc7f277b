"""What every `Erasure` must hold, as functions that any implementation can be given to.

Each takes a `Subject`, whose database is empty, and raises AssertionError when the adapter breaks the invariant that
its docstring states.
"""

import asyncio
import json

from notify_sse.core.journal import Entries, Report
from notify_sse.core.model import ERASED, GONE, RECALLED, Event, Notification
from notify_sse.core.ports import Store
from notify_sse.store import open_journal
from tests.store.subject import Subject, beat, connection, notification, several, whole_log

ALICE, BOB = "recipient:alice", "recipient:bob"
AWKWARD = 'a\0"\\ é\u2028🙂/..'
SECRET = b"canary"


def secret(notification_id: str, *, channel: str = ALICE, quiet: bool = False) -> Notification:
    return notification(notification_id, channel=channel, body=b'{"text":"canary"}', quiet=quiet)


async def a_recall_erases_the_body_and_says_so(subject: Subject) -> None:
    """The body is nowhere in the table; the place stays; the event has the next id, and says what it erases."""
    async with subject.opened() as store, subject.erasure() as erasure:
        await store.append([secret("a"), secret(AWKWARD), secret("b", channel="topic:x")])
        recalled = await erasure.recall(ALICE, AWKWARD)
        assert recalled
        event = recalled.event
        assert event == Event(4, ALICE, RECALLED, event.body if event else b"", 1, silent=True, erases=2)
        assert json.loads(event.body) == {"notification_id": AWKWARD}
        log = await whole_log(store)
        assert log[3] == event
        assert (log[1].id, log[1].type, log[1].body, log[1].expires_ms) == (2, GONE, b"", 1)
        assert (await erasure.recall("topic:x", "b")).event  # type: ignore[union-attr]
        assert [SECRET in row.body for row in await whole_log(store)] == [True, False, False, False, False]


async def what_is_not_there_cannot_be_recalled(subject: Subject) -> None:
    """Unknown, of another channel, or removed by retention: None, and nothing is appended. Nor by a second recall."""
    async with subject.opened() as store, subject.erasure() as erasure:
        await store.append([secret("a"), secret("old")])
        for channel, name in ((ALICE, "b"), (BOB, "a"), ("topic:a", "a"), (ALICE, "")):
            assert await erasure.recall(channel, name) is None
        first = await erasure.recall(ALICE, "a")
        again = await erasure.recall(ALICE, "a")
        assert first
        assert first.event
        assert again
        assert again.event is None
        assert (await store.head()).position == 3
        await subject.sql("UPDATE log SET created_ms = 0 WHERE id <= 2")
        await store.expire(retention_s=60, limit=10)
        assert await erasure.recall(ALICE, "old") is None


async def a_recalled_id_stays_taken(subject: Subject) -> None:
    """The same again is a duplicate at the old place, other content is a conflict."""
    async with subject.opened() as store, subject.erasure() as erasure:
        await store.append([secret("a")])
        await erasure.recall(ALICE, "a")
        same, other = secret("a"), notification("a", text="other")
        appended = await store.append([same, other])
        assert [(one.outcome, one.id) for one in appended.stored] == [("duplicate", 1), ("conflict", 1)]


async def what_is_recalled_is_not_unread(subject: Subject) -> None:
    """Nor can it be marked; and no mark of it is left."""
    async with subject.opened() as store, subject.erasure() as erasure, subject.read_state() as read_state:
        await store.append(several("a", 3))
        await read_state.mark("alice", ["a-0"], read=True)
        for name in ("a-0", "a-1"):
            await erasure.recall(ALICE, name)
        [unread] = await read_state.unread(["alice"])
        assert (unread.count, unread.oldest) == (1, 3)
        assert (await read_state.mark("alice", ["a-0", "a-1"], read=True)).event is None
        assert await subject.sql("SELECT count(*) FROM read_mark") == [(0,)]


async def an_erasure_leaves_tombstones(subject: Subject) -> None:
    """Ids and places stay, nothing else does; what others have is untouched. What comes later is as ever."""
    async with subject.opened() as store, subject.erasure() as erasure, subject.read_state() as read_state:
        batch = [secret("a"), secret("s", quiet=True), secret("b", channel=BOB), secret("t", channel="topic:all")]
        await store.append(batch)
        await read_state.mark("alice", ["a"], read=True)
        await erasure.recall(ALICE, "s")
        before = [row for row in await whole_log(store) if row.channel != ALICE]
        erased = await erasure.erase("alice")
        assert erased.count == 1
        assert erased.event == Event(7, ALICE, ERASED, b"", 1, silent=True, erases=6)
        log = await whole_log(store)
        assert [row for row in log if row.channel != ALICE] == before
        own = [row for row in log if row.channel == ALICE]
        assert [(row.id, row.type, row.body) for row in own[:-1]] == [(place, GONE, b"") for place in (1, 2, 5, 6)]
        assert own[-1] == erased.event
        digests = await subject.sql("SELECT count(*) FROM log WHERE type LIKE '!%' AND length(digest) > 0")
        assert digests == [(0,)]
        for table in ("read_state", "read_mark"):
            assert await subject.sql(f"SELECT count(*) FROM {table}") == [(0,)]
        appended = await store.append([secret("a"), notification("a", text="other"), secret("new")])
        assert [one.outcome for one in appended.stored] == ["duplicate", "duplicate", "new"]
        [unread] = await read_state.unread(["alice"])
        assert (unread.count, unread.read_upto.position) == (1, 0)
        assert (await erasure.erase("nobody")).count == 0


async def an_erasure_forgets_connections(subject: Subject) -> None:
    """When and from where the recipient was connected is nowhere any more; of others it is."""
    async with subject.opened(), subject.erasure() as erasure:
        journal = open_journal(subject.url)
        await journal.write(Entries(beat=beat(), opened=(connection("c1"), connection("c2", recipient_id="bob"))))
        await erasure.erase("alice")
        assert await journal.newest("alice", limit=9) == []
        assert len(await journal.newest("bob", limit=9)) == 1
        [gateway] = await journal.gateways(since_ms=0)
        assert gateway.beat.report == Report(), "it may have named her"
        await journal.close()


async def what_is_published_during_an_erasure_is_erased_or_new(subject: Subject) -> None:
    """Everything below the event that tells of it is a tombstone, everything above is whole."""
    async with subject.opened() as store, subject.erasure() as erasure:
        await store.append(several("a", 300))

        async def publish() -> None:
            for number in range(40):
                await store.append([secret(f"p{number}")])

        publishing = asyncio.ensure_future(publish())
        erased = await erasure.erase("alice")
        await publishing
        for row in await _of_alice(store):
            assert (row.type == GONE) == (row.id < erased.event.id) or row.type == ERASED


async def everything_stored_can_be_read(subject: Subject) -> None:
    """In order, page by page, with the ids of publishers; what the service wrote has none."""
    async with subject.opened() as store, subject.erasure() as erasure, subject.read_state() as read_state:
        await store.append([notification(AWKWARD), *several("b", 2, channel=BOB), notification("z", quiet=True)])
        await read_state.mark_upto("alice", 1)
        first = await erasure.stored("alice", after=0, limit=2)
        rest = await erasure.stored("alice", after=4, limit=2)
        assert first.epoch == rest.epoch == (await store.head()).epoch
        assert [(row.id, row.notification_id) for row in first.rows] == [(1, AWKWARD), (4, "z")]
        assert [(row.id, row.notification_id, row.type) for row in rest.rows] == [(5, None, "!read")]
        assert first.rows[0].stored_ms > 10**12
        assert (await erasure.stored("nobody", after=0, limit=2)).rows == ()


async def _of_alice(store: Store) -> list[Event]:
    return [row for row in await whole_log(store) if row.channel == ALICE]


INVARIANTS = (
    a_recall_erases_the_body_and_says_so,
    what_is_not_there_cannot_be_recalled,
    a_recalled_id_stays_taken,
    what_is_recalled_is_not_unread,
    an_erasure_leaves_tombstones,
    an_erasure_forgets_connections,
    what_is_published_during_an_erasure_is_erased_or_new,
    everything_stored_can_be_read,
)
