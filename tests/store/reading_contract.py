"""What every `Store` must hold when it is read, and when retention takes from it. Used as `store_contract`."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from unittest.mock import patch

from notify_sse.core.model import Event
from notify_sse.core.ports import STRETCH_BYTES, Page, Store
from tests.store.subject import Subject, ids, notification, several, whole_log

CHANNELS = ("recipient:a", "recipient:b", "topic:all", "topic:news")
ADVERSARIAL = (
    "a",
    "A",
    "a.b",
    "#",
    "*",
    "",
    " a",
    "a\x00",
    "\x00",
    "a\x00b",
    "topic:x",
    "recipient:a",
    "%61",
    "a'; DROP TABLE log; --",
    "a\\",
    "é",
    "e\u0301",
    "\U0001f514" * 50,
    "\uffff",
    "true",
    "1",
    "1.0",
)


async def a_channel_may_have_any_name(subject: Subject) -> None:
    """What was appended to a channel is read on it, and on no other, whatever both are called."""
    names = [f"recipient:{name}" for name in ADVERSARIAL] + ["topic:x", "topic:a"]
    async with subject.opened() as store:
        for name in names:
            await store.append([notification(f"id of {name}", channel=name, text="t")])
        for place, name in enumerate(names, 1):
            page = await store.after(0, [name], limit=10)
            assert [(event.id, event.channel) for event in page.events] == [(place, name)]
        assert (await store.after(0, ["recipient:\ud800", "nobody", "recipient:"], limit=10)).events == (
            await store.after(0, ["recipient:"], limit=10)
        ).events
        assert [event.channel for event in await whole_log(store)] == names


async def a_replay_has_each_event_once_in_order(subject: Subject) -> None:
    """Page by page, `after` gives exactly the events of its channels, in the order of ids; `upto` never passes one
    that is still to come, and reaches the head when none is."""
    async with subject.opened() as store:
        events = await _fill(store, 400)
        for channels in (["recipient:a"], ["topic:all", "recipient:b", "topic:all"], list(CHANNELS), ["nobody"], []):
            for limit in (1, 7, 100, 1000):
                read: list[Event] = []
                cursor = 0
                while cursor < len(events):
                    page = await store.after(cursor, channels, limit=limit)
                    assert len(page.events) <= limit
                    assert all(cursor < event.id <= page.upto for event in page.events)
                    read += page.events
                    cursor = page.upto
                assert read == [event for event in events if event.channel in channels]


async def a_cursor_may_be_anything(subject: Subject) -> None:
    """A cursor below the log reads from its start; one beyond it, however large, reads nothing; neither fails."""
    async with subject.opened() as store:
        await store.append(several("a", 3))
        for cursor in (-(2**70), -1, 0):
            assert ids((await store.after(cursor, ["recipient:alice"], limit=9)).events) == [1, 2, 3]
            assert ids((await store.stretch(cursor, limit=9)).events) == [1, 2, 3]
        for cursor in (3, 4, 2**63 - 1, 2**63, 2**200):
            page = await store.after(cursor, ["recipient:alice"], limit=9)
            assert (page.events, page.upto) == ((), 3)
            assert (await store.stretch(cursor, limit=9)).events == ()
        page = await store.history(["recipient:alice"], after=None, before=2**200, descending=True, limit=9)
        assert ids(page.events) == [3, 2, 1]


async def history_is_bounded_filtered_and_read_from_either_end(subject: Subject) -> None:
    """Any combination of bounds, types, direction and limit gives what the same filter gives on the whole log."""
    rng = random.Random(3)
    async with subject.opened() as store:
        events = await _fill(store, 120)
        for _ in range(80):
            after = rng.choice([None, 0, rng.randrange(120)])
            before = rng.choice([None, rng.randrange(1, 130)])
            types = rng.choice([(), ("a",), ("a", "c"), ("nothing",)])
            channels = rng.sample(CHANNELS, rng.randint(1, 3))
            descending = rng.random() < 0.5
            limit = rng.choice([1, 5, 200])
            asked = [
                event
                for event in events
                if event.channel in channels
                and (not types or event.type in types)
                and (after or 0) < event.id < (before or 1000)
            ]
            page = await store.history(
                channels, after=after, before=before, types=types, descending=descending, limit=limit
            )
            assert list(page.events) == (asked[::-1] if descending else asked)[:limit]
            if descending:
                assert all(event.id >= page.upto for event in page.events)
                assert not [event for event in asked if event.id >= page.upto and event not in page.events]
            else:
                assert not [event for event in asked if event.id <= page.upto and event not in page.events]
                assert before is None or page.upto < before


async def a_rare_type_is_looked_for_page_by_page(subject: Subject) -> None:
    """Nothing may be of a type: a page looks at so many events, says how far, and the next goes on there."""
    async with subject.opened() as store:
        events = await _fill(store, 60, kinds=("note", "note", "note", "rare"))
        rare = {event.id for event in events if event.type == "rare" and event.channel in CHANNELS[:2]}
        with patch("notify_sse.store.page.LOOKED_AT", 7):
            for types, wanted in ((["rare"], rare), (["rare", "none"], rare), (["none"], set())):
                seen: list[int] = []
                after, pages = 0, 0
                while after < len(events):
                    page = await store.history(CHANNELS[:2], after=after, before=None, types=types, limit=2)
                    assert after < page.upto <= len(events)
                    assert all(after < one.id <= page.upto for one in page.events)
                    seen += [one.id for one in page.events]
                    after, pages = page.upto, pages + 1
                assert (seen, pages > 2) == (sorted(wanted), True)
                back: list[int] = []
                before = len(events) + 1
                while before > 1:
                    page = await store.history(
                        CHANNELS[:2], after=None, before=before, types=types, descending=True, limit=2
                    )
                    assert all(page.upto <= one.id < before for one in page.events)
                    assert page.upto < before
                    back += [one.id for one in page.events]
                    before = page.upto
                assert back == seen[::-1]


async def history_pages_join_without_gap_or_overlap(subject: Subject) -> None:
    """Reading on from `upto` (upwards as `after`, downwards as `before`) gives each event once."""
    async with subject.opened() as store:
        events = [event for event in await _fill(store, 90) if event.channel == "recipient:a"]
        read: list[Event] = []
        before: int | None = None
        while True:
            page = await store.history(["recipient:a"], after=None, before=before, descending=True, limit=7)
            read += page.events
            before = page.upto
            if len(page.events) < 7:
                break
        assert read == events[::-1]
        last = await store.history(["recipient:a"], after=None, before=before, descending=True, limit=7)
        assert last.events == ()


async def the_newest_stretch_keeps_both_bounds(subject: Subject) -> None:
    """`newest` ends at the head, has no gap, and is the longest within both bounds; one event there is in any case."""
    sizes = [10, 2000, 30, 400, 5, 60]
    async with subject.opened() as store:
        await store.append([notification(str(size), body=b"x" * size) for size in sizes])
        for max_events, max_bytes, expected in (
            (100, 10_000, [1, 2, 3, 4, 5, 6]),
            (2, 10_000, [5, 6]),
            (100, 65, [5, 6]),
            (100, 64, [6]),
            (100, 495, [3, 4, 5, 6]),
            (100, 1000, [3, 4, 5, 6]),
            (100, 1, [6]),
            (1, 1, [6]),
        ):
            page = await store.newest(max_events=max_events, max_bytes=max_bytes)
            assert (ids(page.events), page.upto) == (expected, 6)


async def the_newest_are_read_page_by_page_from_the_end(subject: Subject) -> None:
    """`newest` before the first of a page goes on from it, without gap or overlap, down to where nothing is left; each
    page keeps both bounds, or holds one event."""
    async with subject.opened() as store:
        events = await _fill(store, 90)
        sizes = {event.id: len(event.body) for event in events}
        for max_events, max_bytes in ((7, 10**6), (90, 400), (90, 1)):
            read: list[Event] = []
            before = None
            while page_events := (
                page := await store.newest(max_events=max_events, max_bytes=max_bytes, before=before)
            ).events:
                assert page.upto == (90 if before is None else before - 1) == page_events[-1].id
                assert len(page_events) <= max_events
                assert len(page_events) == 1 or sum(sizes[one.id] for one in page_events) <= max_bytes
                read[:0] = page_events
                before = page_events[0].id
            assert read == events
        for before in (-5, 0, 1):
            assert (await store.newest(max_events=9, max_bytes=9, before=before)).events == ()
        for before in (91, 2**70):
            assert ids((await store.newest(max_events=2, max_bytes=10**6, before=before)).events) == [89, 90]


async def a_stretch_is_bounded_in_bytes(subject: Subject) -> None:
    """One read of large events does not take longer than its time limit: it ends with the one that fills it, says so,
    and goes on from there."""
    large = STRETCH_BYTES // 3 + 1
    async with subject.opened() as store:
        await store.append([notification(str(number), body=b"x" * large) for number in range(7)])
        stretches = [await store.stretch(after, limit=100) for after in (0, 3, 6, 5)]
        assert [(ids(one.events), one.upto) for one in stretches] == [
            ([1, 2, 3], 3),
            ([4, 5, 6], 6),
            ([7], 7),
            ([6, 7], 7),
        ]
        assert [len(one.committed_ms) for one in stretches] == [3, 3, 1, 2]
        await store.append([notification("huge", body=b"x" * 2 * STRETCH_BYTES)])
        huge = await store.stretch(7, limit=100)
        assert (ids(huge.events), huge.upto) == ([8], 8)


async def retention_removes_the_oldest_in_batches_and_moves_the_floor(subject: Subject) -> None:
    """`expire` removes at most `limit`, only what is old enough, until 0; the floor is the last id that was removed;
    ids go on; a notification_id that was removed may come again."""
    async with subject.opened() as store:
        await store.append(several("a", 7))
        await _age(subject, "id <= 5", hours=2)
        assert await store.expire(retention_s=3 * 3600, limit=100) == 0
        assert [await store.expire(retention_s=3600, limit=2) for _ in range(4)] == [2, 2, 1, 0]
        head = await store.head()
        assert (head.floor, head.position) == (5, 7)
        assert ids(await whole_log(store)) == [6, 7]
        page = await store.history(["recipient:alice"], after=None, before=None, descending=True, limit=10)
        assert (ids(page.events), page.upto) == ([7, 6], 6)
        assert [one.id for one in (await store.append(several("a", 1))).stored] == [8]


async def retention_of_the_whole_log_keeps_its_position(subject: Subject) -> None:
    """With nothing left, position and floor agree, and the next id follows them."""
    async with subject.opened() as store:
        await store.append(several("a", 3))
        await _age(subject, "true", hours=1)
        assert await store.expire(retention_s=60, limit=100) == 3
        head = await store.head()
        assert (head.floor, head.position) == (3, 3)
        assert (await store.newest(max_events=5, max_bytes=5)).events == ()
        assert (await store.append(several("b", 1))).stored[0].id == 4


async def a_clock_that_stepped_does_not_make_a_hole(subject: Subject) -> None:
    """Old events behind one that is not old stay: what is removed is always a prefix of the log."""
    async with subject.opened() as store:
        await store.append(several("a", 6))
        await _age(subject, "id <> 3", hours=5)
        await _age(subject, "id = 3", hours=-5)
        assert await store.expire(retention_s=3600, limit=100) == 2
        assert await store.expire(retention_s=3600, limit=100) == 0
        assert ids(await whole_log(store)) == [3, 4, 5, 6]
        assert (await store.head()).floor == 2


async def retention_goes_by_the_databases_clock(subject: Subject) -> None:
    """Not by that of the process, which may be days ahead."""
    async with subject.opened() as store:
        await store.append(several("n", 3))
        with patch("time.time", lambda: datetime.now(UTC).timestamp() + 864_000):
            assert await store.expire(retention_s=3600, limit=10) == 0
        assert (await store.head()).floor == 0


async def readers_and_writers_go_on_during_retention(subject: Subject) -> None:
    """A page misses an event only if the floor of the same page has passed it; appends are not disturbed; two
    processes that remove at the same time do no harm."""
    total = 600
    async with subject.opened() as store, subject.opened() as another:
        await store.append(several("old", total))
        await _age(subject, "true", hours=2)

        turns = asyncio.Semaphore(0)  # removing waits for reading, so that both go on together on a slow machine too

        async def read() -> int:
            pages = 0
            while (await store.head()).floor < total:
                async for _ in _through(store):
                    pages += 1
                    turns.release()
            for _ in range(2):
                turns.release()
            return pages

        async def remove(remover: Store) -> None:
            while (await store.head()).floor < total:
                await remover.expire(retention_s=3600, limit=20)
                if (await store.head()).floor < total:
                    await turns.acquire()

        async def write() -> None:
            for number in range(20):
                await store.append(several(f"new-{number}", 2))

        pages, *_ = await asyncio.gather(read(), remove(store), remove(another), write())
        assert pages > 1
        assert (await store.head()).floor == total
        assert ids(await whole_log(store)) == list(range(total + 1, total + 41))


async def _through(store: Store) -> AsyncIterator[Page]:
    """Every page from the start to the head, each complete above its own floor."""
    cursor, at_head = 0, False
    while not at_head:
        page = await store.after(cursor, ["recipient:alice"], limit=50)
        assert ids(page.events) == list(range(max(cursor, page.head.floor) + 1, page.upto + 1))
        yield page
        cursor = page.upto
        at_head = cursor >= page.head.position


async def _fill(store: Store, count: int, *, kinds: Sequence[str] = "abc") -> Sequence[Event]:
    rng = random.Random(count)
    batch = [
        notification(f"n{number}", channel=rng.choice(CHANNELS), kind=rng.choice(kinds)) for number in range(count)
    ]
    await store.append(batch)
    return await whole_log(store)


async def _age(subject: Subject, where: str, *, hours: int) -> None:
    await subject.sql(f"UPDATE log SET created_ms = created_ms - {hours * 3_600_000} WHERE {where}")


READING = (
    a_channel_may_have_any_name,
    a_replay_has_each_event_once_in_order,
    a_cursor_may_be_anything,
    history_is_bounded_filtered_and_read_from_either_end,
    a_rare_type_is_looked_for_page_by_page,
    history_pages_join_without_gap_or_overlap,
    the_newest_stretch_keeps_both_bounds,
    the_newest_are_read_page_by_page_from_the_end,
    a_stretch_is_bounded_in_bytes,
    retention_removes_the_oldest_in_batches_and_moves_the_floor,
    retention_of_the_whole_log_keeps_its_position,
    a_clock_that_stepped_does_not_make_a_hole,
    retention_goes_by_the_databases_clock,
    readers_and_writers_go_on_during_retention,
)
