"""Both adapters of the erasure keep its contract."""

from collections.abc import Awaitable, Callable

import pytest

from notify_sse.store.postgres import erasure as postgres_erasure
from tests.store.erasure_contract import INVARIANTS
from tests.store.subject import Subject


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
async def test_erasure(
    monkeypatch: pytest.MonkeyPatch, subject: Subject, invariant: Callable[[Subject], Awaitable[None]]
) -> None:
    """Every invariant of the contract holds on both; a large channel is erased piece by piece."""
    monkeypatch.setattr(postgres_erasure, "ERASED_AT_ONCE", 100)
    await invariant(subject)
