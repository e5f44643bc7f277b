"""Both adapters of the `AccessRecords` keep the contract."""

from collections.abc import Awaitable, Callable

import pytest

from tests.store.access_contract import EVERY
from tests.store.subject import Subject


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.mark.parametrize("invariant", EVERY, ids=lambda invariant: invariant.__name__)
async def test_access_records(subject: Subject, invariant: Callable[[Subject], Awaitable[None]]) -> None:
    await invariant(subject)
