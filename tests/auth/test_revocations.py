"""A token that is taken back is taken back everywhere, whatever is away, and nobody is let in before that is known."""

import asyncio
from collections.abc import Collection

import pytest

from notify_sse.auth import revocations
from notify_sse.auth.grant import Grant, TokenFacts
from notify_sse.auth.revocations import Revocations
from notify_sse.auth.revoked import Revoked
from notify_sse.core.access import Change, NewRevocation, RevocationChanges, RevocationRecord
from notify_sse.core.model import Revocation, RevocationsChanged, decode_live
from notify_sse.errors import StoreUnavailable
from tests.support.doubles import running
from tests.support.polling import until

GRANT = Grant(
    subject="alice", scopes=frozenset(), topics=frozenset(), expires_at=2e9, issued_at=1e9, token_id="t", jti="j"
)
CHANGE = Change(who="ops", address="", action="test")


class HandRecords:
    """The revocations of `database`, a list that several share; while `away`, every call fails."""

    def __init__(self, database: list[RevocationRecord]) -> None:
        self.database = database
        self.away = False
        self.reads = 0

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    async def revoke(self, revocation: NewRevocation, *, change: Change | None) -> RevocationRecord:
        del change
        self._reach()
        fields = {name: getattr(revocation, name) for name in revocation.__struct_fields__}
        record = RevocationRecord(id=len(self.database) + 1, **fields)
        self.database.append(record)
        return record

    async def revocation_changes(self, after: int, *, limit: int) -> RevocationChanges:
        self._reach()
        self.reads += 1
        found = tuple(self.database[after : after + limit])
        return RevocationChanges(found, after + len(found), len(self.database))

    async def forget(self, *, revoked_before_ms: int | None, limit: int) -> int:
        del revoked_before_ms, limit
        return 0


class Member:
    """One process."""

    def __init__(self, database: list[RevocationRecord]) -> None:
        self.records = HandRecords(database)
        self.revoked = Revoked()
        self.ended: list[Collection[str] | None] = []
        self.told: list[object] = []
        self.counted = 0
        self.revocations = Revocations(
            self.records,  # type: ignore[arg-type]
            self.revoked,
            end_here=self.ended.append,
            tell_others=lambda body: self.told.append(decode_live(body)),
            count=self._count,
        )

    def _count(self, number: int) -> None:
        self.counted += number

    def refuses(self, subject: str = "alice") -> bool:
        return self.revoked.refuses(TokenFacts(subject, "t", "j", 1e9))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "POLL_S", 0.02)
    monkeypatch.setattr(revocations, "LEAST_PAUSE_S", 0.001)


async def test_the_end_of_a_session_holds_at_once_and_is_written_when_the_database_is_back() -> None:
    """Others are told over the live exchange meanwhile, and keep it to the token's end."""
    database: list[RevocationRecord] = []
    here, other = Member(database), Member(database)
    async with running(here.revocations.run(), other.revocations.run()):
        await here.revocations.when_known()
        here.records.away = True
        here.revocations.sign_out(GRANT)
        assert here.refuses()
        assert here.ended[-1] == ["alice"]
        told = here.told[0]
        assert told == Revocation("t", until=2e9)
        assert isinstance(told, Revocation)
        assert not other.refuses()
        other.revocations.hear(told)
        assert other.refuses()
        await asyncio.sleep(0.05)
        assert database == []
        here.records.away = False
        await until(lambda: database, what="the written end of the session")
    assert (database[0].kind, database[0].value, database[0].until_ms) == ("token", "t", 2_000_000_000_000)
    assert here.told[-1] == RevocationsChanged()


async def test_what_cannot_be_written_stays_until_it_can() -> None:
    """The database answers again, and goes away before it has taken it."""
    database: list[RevocationRecord] = []
    here = Member(database)
    write, failures = here.records.revoke, [StoreUnavailable("read only")] * 2

    async def revoke(revocation: NewRevocation, *, change: Change | None) -> RevocationRecord:
        if failures:
            raise failures.pop()
        return await write(revocation, change=change)

    here.records.revoke = revoke  # type: ignore[method-assign]
    async with running(here.revocations.run()):
        await here.revocations.when_known()
        here.revocations.sign_out(GRANT)
        await until(lambda: database, what="the written end of the session")
    assert [one.value for one in database] == ["t"]


async def test_another_process_learns_of_it_by_its_poll_with_the_broker_away() -> None:
    database: list[RevocationRecord] = []
    here, other = Member(database), Member(database)
    async with running(other.revocations.run()):
        await other.revocations.when_known()
        await here.revocations.revoke("sub", "alice", reason="", who="ops", change=CHANGE)
        assert here.refuses()
        assert here.ended == [["alice"]]
        await until(other.refuses, what="the other process to know")
    assert other.ended[-1] == ["alice"]
    assert (here.counted, other.counted) == (1, 1)


async def test_a_hint_makes_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "POLL_S", 3600.0)
    database: list[RevocationRecord] = []
    other = Member(database)
    async with running(other.revocations.run()):
        await other.revocations.when_known()
        await Member(database).revocations.revoke("jti", "j", reason="", who="ops", change=CHANGE)
        other.revocations.ask()
        await until(other.refuses, what="the other process to know")
    assert other.ended[-1] is None


async def test_a_process_that_starts_knows_all_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages there are, and however long its database is away; afterwards it goes on with what it knows."""
    monkeypatch.setattr(revocations, "PAGE", 2)
    database: list[RevocationRecord] = []
    before = Member(database)
    for number in range(5):
        await before.revocations.revoke("sub", f"s{number}", reason="", who="", change=CHANGE)
    started = Member(database)
    started.records.away = True
    async with running(started.revocations.run()):
        await asyncio.sleep(0.05)
        assert not started.revocations.known
        started.records.away = False
        await started.revocations.when_known()
        assert [started.refuses(f"s{number}") for number in range(6)] == [True] * 5 + [False]
        started.records.away = True
        await asyncio.sleep(0.05)
        assert started.refuses("s4")
    assert started.counted == 0, "what was there before did not happen now"


async def test_an_older_copy_of_the_database_is_read_anew() -> None:
    database: list[RevocationRecord] = []
    member = Member(database)
    for subject in ("alice", "bob"):
        await member.revocations.revoke("sub", subject, reason="", who="", change=CHANGE)
    await member.revocations.read()
    database.pop()
    await member.revocations.read()
    assert (member.refuses("alice"), member.refuses("bob")) == (True, False)
