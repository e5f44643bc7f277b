"""Tickets on a database in a file: good once, not longer than their token, and never kept as they are."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from notify_sse.auth.grant import Grant
from notify_sse.auth.tickets import TTL_S, Tickets
from notify_sse.core.access import AccessRecords
from notify_sse.errors import Overloaded, StoreUnavailable, TokenRefused
from notify_sse.store import migrate, open_access_records

NOW_S = 1_000_000.0


def granted(*, for_s: float = 300) -> Grant:
    return Grant(
        subject="alice",
        scopes=frozenset({"notifications:read"}),
        topics=frozenset({"news"}),
        issued_at=NOW_S,
        expires_at=NOW_S + for_s,
        token_id="t1",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[AccessRecords]:
    await migrate(f"sqlite:///{path}")
    records = open_access_records(f"sqlite:///{path}")
    try:
        yield records
    finally:
        await records.close()


async def test_a_ticket_gives_what_its_token_grants_once(path: Path) -> None:
    """In another process too, and to one of those that bring it at once."""
    async with opened(path) as records:
        ticket, ttl_s = await Tickets(records).issue(granted(), now=NOW_S)
        assert ttl_s == TTL_S
        brought = [Tickets(records).redeem(ticket) for _ in range(5)]
        outcomes = await asyncio.gather(*brought, return_exceptions=True)
    assert [one for one in outcomes if isinstance(one, Grant)] == [granted()]
    assert sum(isinstance(one, TokenRefused) for one in outcomes) == 4


async def test_a_ticket_ends_with_its_token(path: Path) -> None:
    async with opened(path) as records:
        ticket, ttl_s = await Tickets(records).issue(granted(for_s=0.01), now=NOW_S)
        assert ttl_s == 0
        await asyncio.sleep(0.05)  # by the database's own clock
        with pytest.raises(TokenRefused):
            await Tickets(records).redeem(ticket)


async def test_the_database_does_not_have_the_ticket(path: Path) -> None:
    """Whoever reads it can open nothing with what is there."""
    async with opened(path) as records:
        ticket, _ = await Tickets(records).issue(granted(), now=NOW_S)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM tickets").fetchall()
    assert len(rows) == 1
    assert ticket not in repr(rows)


class Untouched:
    """Records that nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize("ticket", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "\n", "ä" * 43, "a" * 10**6])
async def test_what_has_no_such_shape_costs_no_query(ticket: str) -> None:
    with pytest.raises(TokenRefused):
        await Tickets(Untouched()).redeem(ticket)


async def test_while_the_database_is_away_a_ticket_is_not_used_up() -> None:
    class Away(Untouched):
        async def redeem_ticket(self, _: bytes) -> bytes:
            raise StoreUnavailable("away")

    with pytest.raises(Overloaded):
        await Tickets(Away()).redeem("a" * 43)
