"""Retention removes a little at a time, and outlives the store's absence."""

from collections import Counter

import pytest

from notify_sse.errors import StoreUnavailable
from notify_sse.log import retention as module
from notify_sse.log.retention import Retention
from tests.support.doubles import HandStore, metrics, running
from tests.support.polling import until

RETENTION_S = 0.2


class AgeingStore(HandStore):
    """A `HandStore` in which `old` events have grown too old."""

    def __init__(self, old: int) -> None:
        super().__init__()
        self.old = old

    async def expire(self, *, retention_s: float, limit: int) -> int:
        assert retention_s == RETENTION_S
        await self._pass("expire")
        removed = min(limit, self.old)
        self.old -= removed
        return removed


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0)


async def test_what_is_too_old_is_removed_in_batches_and_counted() -> None:
    store, tally = AgeingStore(old=2 * module.BATCH + 1), Counter[str]()
    async with running(Retention(store.port, metrics(tally), retention_s=RETENTION_S).run()):
        await until(lambda: not store.old)
        await until(lambda: tally["expired"] == 2 * module.BATCH + 1)
        assert store.calls["expire"] >= 3


async def test_it_waits_while_the_store_is_away() -> None:
    store = AgeingStore(old=1)
    store.failures = [StoreUnavailable("away"), StoreUnavailable("away")]
    async with running(Retention(store.port, metrics(), retention_s=RETENTION_S).run()):
        await until(lambda: not store.old)
    assert store.calls["expire"] >= 3


async def test_it_looks_again_for_what_grows_old_later() -> None:
    store = AgeingStore(old=0)
    async with running(Retention(store.port, metrics(), retention_s=RETENTION_S).run()):
        await until(lambda: store.calls["expire"] > 1)
        store.old = 5
        await until(lambda: not store.old)


async def test_a_user_who_may_not_delete_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log would grow for ever, and nothing else would show it. The lag grows too, until it is mended."""
    store = AgeingStore(old=0)
    store.failures = [StoreUnavailable("refused", advice="grant DELETE")] * 5
    retention = Retention(store.port, metrics(), retention_s=RETENTION_S)
    async with running(retention.run()):
        await until(lambda: store.calls["expire"] == 4)
        assert retention.lag_s > 0
        await until(lambda: retention.lag_s == 0)
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert "grant DELETE" in told[0].getMessage()


async def test_a_store_that_is_away_is_told_of_by_others(caplog: pytest.LogCaptureFixture) -> None:
    store = AgeingStore(old=1)
    store.failures = [StoreUnavailable("away")] * 3
    async with running(Retention(store.port, metrics(), retention_s=RETENTION_S).run()):
        await until(lambda: not store.old)
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]
