"""Both adapters of the read state keep its contract."""

from collections.abc import Awaitable, Callable

import pytest

from tests.store.read_state_contract import INVARIANTS
from tests.store.subject import Subject


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.__name__)
async def test_read_state(subject: Subject, invariant: Callable[[Subject], Awaitable[None]]) -> None:
    """Every invariant of the contract holds on both."""
    await invariant(subject)
