"""Both adapters of the read state keep its contract."""

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable

import pytest

from notify_sse.store.sqlite.file import path_of
from notify_sse.store.sqlite.read_state import UNREAD
from tests.store.read_state_contract import INVARIANTS
from tests.store.subject import Subject, several


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
async def test_read_state(subject: Subject, invariant: Callable[[Subject], Awaitable[None]]) -> None:
    """Every invariant of the contract holds on both."""
    await invariant(subject)


async def test_a_count_costs_by_what_is_there_and_not_by_its_square(sqlite_url: str) -> None:
    """Who reads one by one, and never all, has as many marks as notifications. In steps of SQLite's machine."""
    subject = Subject(sqlite_url)

    def steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        with contextlib.closing(sqlite3.connect(path_of(sqlite_url))) as connection:
            connection.set_progress_handler(step, 100)
            [(_, _, counted)] = connection.execute(UNREAD.format("(?)"), (b"recipient:alice",)).fetchall()
        assert counted.startswith(f"[{rows // 2},")
        return count

    async with subject.opened() as store:
        costs: list[int] = []
        for rows in (400, 1600):
            await store.append(several(f"n{rows}-", rows - (400 if costs else 0), channel="recipient:alice"))
            await subject.sql("DELETE FROM read_mark")
            await subject.sql("INSERT INTO read_mark (channel, id) SELECT channel, id FROM log WHERE id % 2")
            costs.append(steps())
    assert costs[1] < 6 * costs[0], costs
