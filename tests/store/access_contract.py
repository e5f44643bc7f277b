"""What every `AccessRecords` must hold, as functions that any implementation can be given to.

Each takes a `Subject`, whose database is empty, and raises AssertionError when the records break the invariant that its
docstring states.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from notify_sse.core.access import AccessRecords, Change, NewRevocation
from notify_sse.store import open_access_records
from tests.store.subject import Subject

ANY_TEXT = "al\0ice ' \" 🙂 -- %"


@contextlib.asynccontextmanager
async def opened(subject: Subject) -> AsyncIterator[AccessRecords]:
    """Records of a database that has its schema."""
    async with subject.opened():
        records = open_access_records(subject.url)
        try:
            yield records
        finally:
            await records.close()


def change(action: str = "test", **given: Any) -> Change:
    return Change(who="ops", address="10.0.0.1", action=action, **given)


def revocation(value: str = "alice", **given: Any) -> NewRevocation:
    return msgspec.convert({"kind": "sub", "value": value, "revoked_ms": 1000} | given, NewRevocation)


async def what_was_noted_is_in_the_audit_log(subject: Subject) -> None:
    """Newest first, page by page, whatever characters there are; the time is the database's."""
    async with opened(subject) as records:
        assert await records.audit(before=None, limit=10) == []
        for number in range(5):
            await records.note(change(f"act.{number}", target=ANY_TEXT, details={"n": number}))
        page = await records.audit(before=None, limit=3)
        assert [one.action for one in page] == ["act.4", "act.3", "act.2"]
        assert [one.action for one in await records.audit(before=page[-1].id, limit=3)] == ["act.1", "act.0"]
        first = page[0]
        assert (first.who, first.address, first.target) == ("ops", "10.0.0.1", ANY_TEXT)
        assert msgspec.json.decode(first.details) == {"n": 4}
        assert first.at_ms > 1_700_000_000_000


async def a_revocation_and_its_note_are_one(subject: Subject) -> None:
    """Both are there after it; a session's end is not an administrator's change, and notes nothing."""
    async with opened(subject) as records:
        made = await records.revoke(revocation(ANY_TEXT, reason=ANY_TEXT, who="ops"), change=change("revoke"))
        assert (made.value, made.reason, made.who, made.undone) == (ANY_TEXT, ANY_TEXT, "ops", False)
        ended = await records.revoke(revocation("a1b2", kind="token", until_ms=2**52), change=None)
        assert await records.revocations(["sub"], before=None, limit=9) == [made]
        assert await records.revocations(["jti"], before=None, limit=9) == []
        assert await records.revocations(["token", "sub"], before=None, limit=9) == [ended, made]
        assert await records.revocations(["token", "sub"], before=ended.id, limit=9) == [made]
        assert [one.action for one in await records.audit(before=None, limit=9)] == ["revoke"]


async def what_is_undone_is_out_of_force_once(subject: Subject) -> None:
    """One of several that ask undoes it, and one is noted; of what is not there, none."""
    async with opened(subject) as records:
        made = await records.revoke(revocation(), change=change())
        results = await asyncio.gather(*(records.undo(made.id, change=change("undo")) for _ in range(4)))
        undone = [one for one in results if one]
        assert [(one.id, one.undone) for one in undone] == [(made.id, True)]
        assert await records.revocations(["sub"], before=None, limit=9) == []
        for unknown in (made.id + 5, 0, -1, 2**80):
            assert await records.undo(unknown, change=change("undo")) is None
        assert [one.action for one in await records.audit(before=None, limit=9)] == ["undo", "test"]


async def changes_are_read_in_the_order_of_their_commits(subject: Subject) -> None:
    """However many write at once, a reader that follows the versions misses nothing, undone ones included."""
    async with opened(subject) as records:
        empty = await records.revocation_changes(0, limit=10)
        assert (empty.records, empty.version, empty.newest) == ((), 0, 0)
        seen, version, writing = {}, 0, True

        async def write(name: str) -> None:
            for number in range(8):
                made = await records.revoke(revocation(f"{name}{number}"), change=None)
                if number % 4 == 0:
                    await records.undo(made.id, change=change("undo"))

        async def follow() -> None:
            nonlocal version
            while True:
                last_look = not writing
                changes = await records.revocation_changes(version, limit=3)
                seen.update({one.value: one.undone for one in changes.records})
                version = changes.version
                if last_look and version == changes.newest:
                    return

        following = asyncio.ensure_future(follow())
        await asyncio.gather(*(write(name) for name in "abc"))
        writing = False
        await following
        assert seen == {f"{name}{number}": number % 4 == 0 for name in "abc" for number in range(8)}
        assert version == 24 + 6


async def a_ticket_is_good_once(subject: Subject) -> None:
    """Of many that bring it at the same time one gets what it grants; nobody after, and nobody for another."""
    async with opened(subject) as records, opened(subject) as others:
        await records.issue_ticket(b"h" * 32, b'{"sub":"alice"}', ttl_s=30)
        results = await asyncio.gather(*(one.redeem_ticket(b"h" * 32) for one in [records, others] * 4))
        assert sorted(one for one in results if one) == [b'{"sub":"alice"}']
        assert await records.redeem_ticket(b"h" * 32) is None
        assert await records.redeem_ticket(b"x" * 32) is None


async def a_ticket_that_expired_is_none(subject: Subject) -> None:
    async with opened(subject) as records:
        await records.issue_ticket(b"h" * 32, b"{}", ttl_s=-1)
        assert await records.redeem_ticket(b"h" * 32) is None


async def only_what_is_of_no_more_use_is_forgotten(subject: Subject) -> None:
    """Expired tickets; revocations that are over; with a bound, those whose tokens cannot live any more."""
    async with opened(subject) as records:
        await records.issue_ticket(b"a" * 32, b"{}", ttl_s=-1)
        await records.issue_ticket(b"b" * 32, b"{}", ttl_s=30)
        for value, until_ms, revoked_ms in (("over", 5, 9), ("lives", 2**52, 9), ("old", 0, 9), ("young", 0, 2**52)):
            await records.revoke(revocation(value, until_ms=until_ms, revoked_ms=revoked_ms), change=None)
        undone = await records.revoke(revocation("undone", revoked_ms=2**52), change=None)
        await records.undo(undone.id, change=change())
        assert await records.forget(revoked_before_ms=None, limit=10) == 2
        assert await records.forget(revoked_before_ms=9, limit=10) == 1
        assert await records.forget(revoked_before_ms=9, limit=10) == 0
        assert await records.redeem_ticket(b"b" * 32) == b"{}"
        changes = await records.revocation_changes(0, limit=10)
        assert [one.value for one in changes.records] == ["lives", "young", "undone"]


EVERY = (
    what_was_noted_is_in_the_audit_log,
    a_revocation_and_its_note_are_one,
    what_is_undone_is_out_of_force_once,
    changes_are_read_in_the_order_of_their_commits,
    a_ticket_is_good_once,
    a_ticket_that_expired_is_none,
    only_what_is_of_no_more_use_is_forgotten,
)
