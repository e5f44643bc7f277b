"""What every `ReadState` must hold, as functions that any implementation can be given to.

Each takes a `Subject`, whose database is empty, and raises AssertionError when the adapter breaks the invariant that
its docstring states.
"""

import asyncio
import json
import time
from typing import Any

from notify_sse.core.model import READ, Notification
from notify_sse.core.ports import Store
from notify_sse.core.read_state import Marked, ReadState
from tests.store.subject import Subject, notification, several, whole_log

ALICE = "recipient:alice"
AWKWARD = 'a\0"\\ é\u2028🙂'


async def _unread(read_state: ReadState, recipient_id: str = "alice") -> int:
    [unread] = await read_state.unread([recipient_id])
    return unread.count


async def _told(store: Store) -> list[dict[str, Any]]:
    """The data of every read event in the log."""
    return [json.loads(event.body) for event in await whole_log(store) if event.type == READ]


async def _read_ids(store: Store, read_state: ReadState) -> list[int]:
    events = [event.id for event in await whole_log(store) if not event.type.startswith("!")]
    marks = await read_state.marks("alice", events)
    return [place for place in events if marks.read(place)]


async def what_counts_as_unread(subject: Subject) -> None:
    """Stored, not silent, not expired, of the recipient's own channel: nothing else; each recipient for themselves."""
    later, before = int(time.time() * 1000) + 600_000, int(time.time() * 1000) - 1000
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append(
            [
                notification("counts"),
                notification("expires later", expires_ms=later),
                notification("expired", expires_ms=before),
                silent("silent"),
                notification("topic", channel="topic:all"),
                *several("b", 3, channel="recipient:bob"),
                notification("awkward", channel=f"recipient:{AWKWARD}"),
            ]
        )
        head = await store.head()
        alice, nobody, bob, awkward = await read_state.unread(["alice", "nobody", "bob", AWKWARD])
        assert [one.count for one in (alice, nobody, bob, awkward)] == [2, 0, 3, 1]
        assert (alice.oldest, alice.expiring_ms, nobody.oldest, nobody.expiring_ms) == (1, later, 0, 0)
        assert (alice.at.epoch, alice.at.position, alice.read_upto.position) == (head.epoch, head.position, 0)
        assert await read_state.unread([]) == []


async def everything_up_to_a_place_is_read(subject: Subject) -> None:
    """The count falls, and the change is in the log, on the recipient's channel, at the next id."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append([*several("a", 3), *several("b", 2, channel="recipient:bob")])
        marked = await read_state.mark_upto("alice", 2)
        assert (marked.count, marked.read_upto.position) == (1, 2)
        event = _event(marked)
        [stored] = [one for one in await whole_log(store) if one.type == READ]
        assert stored == event
        assert (event.id, event.channel, event.silent) == (6, ALICE, True)
        epoch = (await store.head()).epoch
        assert json.loads(event.body) == {"upto": f"{epoch}.2", "ids": None, "read": True, "unread": 1}
        assert await _unread(read_state) == 1
        assert await _unread(read_state, "bob") == 2
        assert (await store.append([notification("next")])).stored[0].id == 7


async def single_ones_are_read_and_unread(subject: Subject) -> None:
    """On both sides of the position up to which all is read; the event names those that changed, in their order."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append([*several("a", 5), notification(AWKWARD)])
        await read_state.mark_upto("alice", 3)
        marked = await read_state.mark("alice", [AWKWARD, "a-4", "a-0", "unknown", "a-4"], read=True)
        assert json.loads(_event(marked).body)["ids"] == [AWKWARD, "a-4"]
        assert (marked.count, marked.read_upto.position) == (1, 3)
        marked = await read_state.mark("alice", ["a-0", "a-3", AWKWARD], read=False)
        assert json.loads(_event(marked).body) == {"upto": None, "ids": ["a-0", AWKWARD], "read": False, "unread": 3}
        assert await _read_ids(store, read_state) == [2, 3, 5]
        assert await _unread(read_state) == 3
        # Each of them the other way again.
        assert (await read_state.mark("alice", ["a-0", AWKWARD], read=True)).count == 1
        assert await _read_ids(store, read_state) == [1, 2, 3, 5, 6]


async def what_is_read_already_changes_nothing(subject: Subject) -> None:
    """Marking it again, whichever way, appends nothing; nor does an id of another recipient, or one that is unknown."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append([*several("a", 4), notification("b", channel="recipient:bob")])
        await read_state.mark_upto("alice", 2)
        await read_state.mark("alice", ["a-2", "a-3"], read=True)
        position = (await store.head()).position
        for again in (
            await read_state.mark_upto("alice", 1),
            await read_state.mark_upto("alice", 2),
            await read_state.mark_upto("alice", 4),
            await read_state.mark("alice", ["a-0", "a-2", "b", "unknown"], read=True),
            await read_state.mark("alice", [], read=True),
            await read_state.mark("bob", ["b"], read=False),
            await read_state.mark_upto("nobody", position),
        ):
            assert again.event is None
        assert (await store.head()).position == position
        assert await _unread(read_state) == 0
        assert await _unread(read_state, "bob") == 1


async def a_position_clears_what_was_marked_unread_below_it(subject: Subject) -> None:
    """`upto` means everything: an exception below it is read again, even when the position does not move."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append(several("a", 4))
        await read_state.mark_upto("alice", 4)
        await read_state.mark("alice", ["a-0", "a-2"], read=False)
        marked = await read_state.mark_upto("alice", 2)
        assert (marked.count, marked.read_upto.position) == (1, 4)
        assert _event(marked)
        assert (await read_state.mark_upto("alice", 4)).count == 0
        assert len(await _told(store)) == 4


async def a_position_beyond_the_head_is_the_head(subject: Subject) -> None:
    """What is appended later is not read yet."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append(several("a", 2))
        marked = await read_state.mark_upto("alice", 10**30)
        assert (marked.count, marked.read_upto.position) == (0, 2)
        await store.append(several("later", 1))
        assert await _unread(read_state) == 1


async def silent_ones_can_be_read(subject: Subject) -> None:
    """They do not count, and still turn from not read to read: that is a change like any other."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append([silent("s"), notification("n")])
        marked = await read_state.mark("alice", ["s"], read=True)
        assert marked.count == 1
        assert _event(marked)
        assert await _read_ids(store, read_state) == [1]


async def the_event_tells_what_is_unread_at_its_own_place(subject: Subject) -> None:
    """Under many writers and readers at once, each event's count is the one that follows from the log before it."""
    async with subject.opened() as store, subject.read_state() as read_state, subject.read_state() as other:

        async def publish(name: str) -> None:
            for number in range(12):
                await store.append(
                    [notification(f"{name}-{number}", text=f"{name}-{number}"), silent(f"{name}-silent-{number}")]
                )

        async def mark(state: ReadState) -> None:
            for number in range(12):
                position = (await store.head()).position
                await state.mark_upto("alice", max(0, position - number))
                await state.mark("alice", [f"x-{number}", f"y-{number - 3}"], read=number % 2 == 0)

        await asyncio.gather(publish("x"), publish("y"), mark(read_state), mark(other))
        await _counts_follow_from_the_log(store)
        assert await _unread(read_state) == await _counts_follow_from_the_log(store)


async def _counts_follow_from_the_log(store: Store) -> int:
    """Play the log to a model of the state: what each event tells must be what the model has then. Returns the end."""
    unread: dict[str, int] = {}
    places: dict[str, int] = {}
    for event in await whole_log(store):
        if event.type != READ:
            name = json.loads(event.body)["text"]
            places[name] = event.id
            if not event.silent:
                unread[name] = event.id
            continue
        told = json.loads(event.body)
        if told["ids"] is None:
            upto = int(told["upto"].partition(".")[2])
            unread = {name: place for name, place in unread.items() if place > upto}
        elif told["read"]:
            unread = {name: place for name, place in unread.items() if name not in told["ids"]}
        else:
            unread |= {name: places[name] for name in told["ids"] if "silent" not in name}
        assert told["unread"] == len(unread), told
    return len(unread)


async def retention_forgets_marks_and_keeps_the_position(subject: Subject) -> None:
    """What is removed is not unread any more; up to where all was read stays, so that nothing becomes unread."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append(several("a", 4))
        await read_state.mark_upto("alice", 2)
        await read_state.mark("alice", ["a-0"], read=False)
        await read_state.mark("alice", ["a-2"], read=True)
        await subject.sql("UPDATE log SET created_ms = 0 WHERE id <= 3")
        assert await store.expire(retention_s=60, limit=10) == 3
        [unread] = await read_state.unread(["alice"])
        assert (unread.count, unread.read_upto.position, unread.oldest) == (1, 2, 4)
        assert await subject.sql("SELECT count(*) FROM read_mark") == [(0,)]


async def a_publisher_may_use_any_id(subject: Subject) -> None:
    """None stands in the way of the ids that the service gives to its own events."""
    async with subject.opened() as store, subject.read_state() as read_state:
        awkward = ["!read", "!read.3", "\xff", "\xff\0\0\0\0\0\0\0\x05", "\0"]
        await store.append([notification(one) for one in awkward])
        assert (await read_state.mark_upto("alice", 5)).count == 0
        assert (await read_state.mark("alice", awkward, read=False)).count == 5


async def history_that_reads_back_passes_over_events(subject: Subject) -> None:
    """The newest page is full of notifications, however often something was read since."""
    async with subject.opened() as store, subject.read_state() as read_state:
        await store.append(several("a", 3))
        for _ in range(5):
            await read_state.mark("alice", ["a-0"], read=True)
            await read_state.mark("alice", ["a-0"], read=False)
        page = await store.history([ALICE], after=None, before=None, descending=True, limit=2)
        assert [event.id for event in page.events] == [3, 2]
        page = await store.history([ALICE], after=3, before=None, limit=50)
        assert [event.type for event in page.events] == [READ] * 10


def _event(marked: Marked) -> Any:
    assert marked.event is not None
    return marked.event


def silent(notification_id: str) -> Notification:
    return notification(notification_id, text=notification_id, quiet=True)


INVARIANTS = (
    what_counts_as_unread,
    everything_up_to_a_place_is_read,
    single_ones_are_read_and_unread,
    what_is_read_already_changes_nothing,
    a_position_clears_what_was_marked_unread_below_it,
    a_position_beyond_the_head_is_the_head,
    silent_ones_can_be_read,
    the_event_tells_what_is_unread_at_its_own_place,
    retention_forgets_marks_and_keeps_the_position,
    a_publisher_may_use_any_id,
    history_that_reads_back_passes_over_events,
)
