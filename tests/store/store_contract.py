"""What every `Store` must hold, as functions that any implementation can be given to.

Each takes a `Subject`, whose database is empty, and raises AssertionError when the store breaks the invariant that its
docstring states. They use the port only, and SQL where the port cannot make time pass.
"""

import asyncio
import random

import pytest

from notify_sse.core.ports import Appended, Head, Stored
from notify_sse.errors import StoreRefused, StoreUnavailable
from tests.store.subject import Subject, ids, notification, several, whole_log


async def a_new_log_is_empty_and_has_an_epoch_of_its_own(subject: Subject) -> None:
    """Position and floor are 0, every read is an empty page complete up to 0, and the epoch fits into a cursor."""
    async with subject.opened() as store:
        head = await store.head()
        assert head == Head(head.epoch, 0, 0)
        assert head.epoch.isalnum()
        assert 8 <= len(head.epoch) <= 16
        for page in (
            await store.stretch(0, limit=10),
            await store.newest(max_events=10, max_bytes=10),
            await store.after(0, ["topic:all"], limit=10),
        ):
            assert (page.events, page.upto, page.head) == ((), 0, head)


async def ids_are_contiguous_in_the_order_of_the_batch(subject: Subject) -> None:
    """The first event is 1; each batch goes on where the last one ended; what is read is what was appended."""
    async with subject.opened() as store:
        first = await store.append(several("a", 3))
        second = await store.append([notification("b", channel="topic:all", kind="x.y-z_1", expires_ms=2**53)])
        assert [one.id for one in first.stored + second.stored] == [1, 2, 3, 4]
        assert {one.outcome for one in first.stored + second.stored} == {"new"}
        assert first.epoch == (await store.head()).epoch
        events = await whole_log(store)
        assert ids(events) == [1, 2, 3, 4]
        last = events[-1]
        assert (last.channel, last.type, last.body, last.expires_ms) == (
            "topic:all",
            "x.y-z_1",
            b'{"text":"hello"}',
            2**53,
        )


async def a_batch_may_be_empty_large_or_of_large_bodies(subject: Subject) -> None:
    """Nothing in a batch's size changes what is stored; an empty one tells the epoch."""
    async with subject.opened() as store:
        assert await store.append([]) == Appended((await store.head()).epoch, ())
        large = [notification(f"n{number}", body=bytes([number % 251]) * (number % 7)) for number in range(3000)]
        huge = [notification(f"h{number}", body=random.Random(number).randbytes(65_536)) for number in range(20)]
        await store.append(large)
        await store.append(huge)
        assert [event.body for event in await whole_log(store)] == [one.body for one in large + huge]


async def commit_order_is_id_order(subject: Subject) -> None:
    """A reader that follows the log from its tail sees every event, once, in the order of ids, however many writers
    append at once: no id below one that was seen appears later."""
    writers, batches = 8, 25
    done = asyncio.Event()

    async def write(number: int) -> None:
        rng = random.Random(number)
        async with subject.opened() as store:
            for batch in range(batches):
                await store.append(several(f"{number}-{batch}", rng.randint(1, 5), channel=f"recipient:{number}"))

    async def follow() -> list[int]:
        seen: list[int] = []
        cursor = 0
        async with subject.opened() as store:
            while True:
                last_look = done.is_set()
                page = await store.stretch(cursor, limit=50)
                seen += ids(page.events)
                cursor = page.upto
                if last_look and not page.events:
                    return seen

    async with subject.opened() as store:
        follower = asyncio.create_task(follow())
        await asyncio.gather(*map(write, range(writers)))
        done.set()
        seen = await follower
        written = ids(await whole_log(store))
        assert seen == written, f"the follower lost {sorted(set(written) - set(seen))[:10]}"
        assert written == list(range(1, len(written) + 1))
        assert (await store.head()).position == len(written)


async def a_notification_id_is_stored_once(subject: Subject) -> None:
    """The same content again is a duplicate, other content a conflict, each with the original's id, within a batch,
    across batches, and among the newest and the oldest of the log. Neither takes an id."""
    async with subject.opened() as store:
        a, other_a, b, c = notification("a"), notification("a", text="other"), notification("b"), notification("c")
        assert (await store.append([a, b, a, other_a])).stored == (
            Stored("new", 1),
            Stored("new", 2),
            Stored("duplicate", 1),
            Stored("conflict", 1),
        )
        await store.append(several("filler", 1200))
        assert (await store.append([other_a, c, a, c])).stored == (
            Stored("conflict", 1),
            Stored("new", 1203),
            Stored("duplicate", 1),
            Stored("duplicate", 1203),
        )
        assert (await store.append([b])).stored == (Stored("duplicate", 2),)
        assert (await store.head()).position == 1203
        assert [event.body for event in await whole_log(store)][:2] == [a.body, b.body]


async def a_notification_id_counts_within_its_channel(subject: Subject) -> None:
    """The same id for alice, for bob and for a topic are three notifications, in one batch or in several; each is
    repeated by its own channel only."""
    async with subject.opened() as store:
        alice = notification("order-1")
        bob = notification("order-1", channel="recipient:bob", text="other")
        topic = notification("order-1", channel="topic:news")
        assert [one.outcome for one in (await store.append([alice, bob])).stored] == ["new", "new"]
        stored = (await store.append([topic, bob, alice, notification("order-1", text="changed")])).stored
        assert stored == (
            Stored("new", 3),
            Stored("duplicate", 2),
            Stored("duplicate", 1),
            Stored("conflict", 1),
        )
        assert [event.channel for event in await whole_log(store)] == ["recipient:alice", "recipient:bob", "topic:news"]


async def racing_duplicates_are_stored_once(subject: Subject) -> None:
    """Of many writers with the same notifications, in any order, one has each as new and all are told the same id."""
    writers, notifications = 8, several("same", 40)

    async def write(number: int) -> dict[str, Stored]:
        mine = random.Random(number).sample(notifications, len(notifications))
        told: dict[str, Stored] = {}
        async with subject.opened() as store:
            for start in range(0, len(mine), 4):
                batch = mine[start : start + 4]
                stored = (await store.append(batch)).stored
                told |= {one.notification_id: outcome for one, outcome in zip(batch, stored, strict=True)}
        return told

    async with subject.opened() as store:
        told = await asyncio.gather(*map(write, range(writers)))
        for one in notifications:
            outcomes = [answers[one.notification_id] for answers in told]
            assert sorted(outcome.outcome for outcome in outcomes) == ["duplicate"] * (writers - 1) + ["new"]
            assert len({outcome.id for outcome in outcomes}) == 1
        assert ids(await whole_log(store)) == list(range(1, len(notifications) + 1))


async def a_refused_batch_leaves_nothing_behind(subject: Subject) -> None:
    """What the database has no place for is `StoreRefused`; the rest of its batch is not stored, no id is missing, and
    the next append is not disturbed."""
    async with subject.opened() as store:
        await store.append(several("before", 2))
        for refused in (
            notification("too large", expires_ms=2**64),
            notification("surrogate \ud800"),
            notification("surrogate", channel="recipient:\udfff"),
        ):
            with pytest.raises(StoreRefused):
                await store.append([notification("innocent"), refused])
        assert (await store.append([notification("innocent")])).stored == (Stored("new", 3),)
        assert ids(await whole_log(store)) == [1, 2, 3]


async def a_cancelled_append_leaks_nothing(subject: Subject) -> None:
    """Wherever an append is cancelled, it is stored as a whole or not at all, a retry finds out, and the connections
    serve as before, even the task's own."""
    rng = random.Random(7)
    async with subject.opened() as store:
        for number in range(60):
            batch = several(f"c{number}", 3)
            append = asyncio.create_task(store.append(batch))
            for _ in range(rng.randint(0, 12)):
                await asyncio.sleep(0)
            append.cancel()
            await asyncio.wait([append])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await store.append(batch)
            stored = (await store.append(batch)).stored
            assert len({one.outcome for one in stored}) == 1
            assert [one.id for one in stored] == list(range(stored[0].id, stored[0].id + 3))
        await asyncio.gather(*(store.append(several(f"after-{number}", 2)) for number in range(30)))
        await asyncio.gather(*(store.after(0, ["recipient:alice"], limit=5) for _ in range(30)))
        assert ids(await whole_log(store)) == list(range(1, 60 * 3 + 30 * 2 + 1))


async def the_log_outlives_its_store(subject: Subject) -> None:
    """Closed and opened again, by the same or another store, epoch, ids and known notification_ids are as before.
    Opening and closing twice is no matter; in between, it is unavailable."""
    async with subject.opened() as store:
        epoch = (await store.append(several("a", 2))).epoch
        await store.close()
        await store.close()
        for work in (store.head(), store.append(several("late", 1)), store.after(0, ["topic:all"], limit=1)):
            with pytest.raises(StoreUnavailable):
                await work
        await store.open()
        await store.open()
        assert (await store.append(several("a", 3))).stored[2] == Stored("new", 3)
    async with subject.opened() as another:
        assert await another.head() == Head(epoch, 3, 0)
        assert (await another.append(several("a", 1))).stored == (Stored("duplicate", 1),)


async def a_new_epoch_changes_nothing_else(subject: Subject) -> None:
    """Every read and append from then on names the new epoch; positions, floor and events stay."""
    async with subject.opened() as store, subject.opened() as another:
        await store.append(several("a", 2))
        before = await store.head()
        epoch = await store.new_epoch()
        assert epoch != before.epoch
        assert epoch.isalnum()
        assert await another.head() == Head(epoch, before.position, before.floor)
        assert (await another.after(0, ["recipient:alice"], limit=1)).head.epoch == epoch
        assert (await another.append(several("b", 1))) == Appended(epoch, (Stored("new", 3),))


async def of_several_who_ask_for_a_new_epoch_one_gives_it(subject: Subject) -> None:
    """Each names the epoch that is to go; all get to know the one that there is then."""
    async with subject.opened() as store, subject.opened() as another:
        old = (await store.append(several("a", 2))).epoch
        given = await asyncio.gather(*(one.new_epoch(instead_of=old) for one in (store, another) * 3))
        assert set(given) == {(await store.head()).epoch} != {old}


WRITING = (
    a_new_log_is_empty_and_has_an_epoch_of_its_own,
    ids_are_contiguous_in_the_order_of_the_batch,
    a_batch_may_be_empty_large_or_of_large_bodies,
    commit_order_is_id_order,
    a_notification_id_is_stored_once,
    a_notification_id_counts_within_its_channel,
    racing_duplicates_are_stored_once,
    a_refused_batch_leaves_nothing_behind,
    a_cancelled_append_leaks_nothing,
    the_log_outlives_its_store,
    a_new_epoch_changes_nothing_else,
    of_several_who_ask_for_a_new_epoch_one_gives_it,
)
