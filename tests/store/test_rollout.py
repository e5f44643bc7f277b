"""Both adapters of the `RolloutRecords` keep what was set."""

import asyncio

import pytest

from notify_sse.core.rollout import RolloutChange
from notify_sse.errors import StoreUnavailable
from notify_sse.store import open_rollout_records
from tests.store.subject import Subject


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


async def test_what_was_set_last_is_read_by_everybody(subject: Subject) -> None:
    """Nothing at first; then the last change, whole, with any characters; also of several that write at once."""
    one, other = open_rollout_records(subject.url), open_rollout_records(subject.url)
    async with subject.opened():
        assert await one.read() == RolloutChange()
        change = RolloutChange(percent=0.5, allow=("Zoë", "a\0b"), deny=())
        await one.write(change)
        assert await other.read() == change
        await asyncio.gather(*(each.write(RolloutChange(percent=25.0)) for each in (one, other) for _ in range(5)))
        assert await one.read() == RolloutChange(percent=25.0)
        await other.write(RolloutChange())
        assert await one.read() == RolloutChange()
        await subject.sql("""UPDATE rollout SET document = '{"percent":5,"of_a_later_version":1}'""")
        assert await one.read() == RolloutChange(percent=5)
        await subject.sql("UPDATE rollout SET document = 'x'")
        with pytest.raises(StoreUnavailable):
            await one.read()
    await asyncio.gather(one.close(), other.close())
