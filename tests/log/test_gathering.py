"""Where many deliveries come, a batch waits a little for more of them; nowhere else does one wait."""

import pytest

from notify_sse.log import ingest as module
from notify_sse.log.ingest import GATHER_FROM
from tests.log.test_ingest import Bench
from tests.support.polling import until

FOR_EVER_S = 600.0
A_WHILE_S = 2.0


def _names(first: int, count: int) -> list[str]:
    return [f"n{number}" for number in range(first, first + count)]


async def test_few_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", FOR_EVER_S)
    bench = Bench()
    async with bench.running():
        bench.deliver(*_names(0, GATHER_FROM - 1))
        await until(lambda: len(bench.broker.acked) == GATHER_FROM - 1)
        bench.deliver(*_names(100, GATHER_FROM - 1))
        await until(lambda: len(bench.broker.acked) == 2 * (GATHER_FROM - 1))
    assert [len(batch) for batch in bench.store.batches] == [GATHER_FROM - 1] * 2


async def test_behind_a_large_batch_the_next_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while, counted from where the large one began."""
    monkeypatch.setattr(module, "GATHER_S", A_WHILE_S)
    bench = Bench()
    async with bench.running():
        await _large_batch(bench, "first", "second")
        bench.deliver(*_names(200, 3))
        await until(lambda: len(bench.broker.acked) == GATHER_FROM + 5)
    assert [len(batch) for batch in bench.store.batches] == [GATHER_FROM, 5]


async def test_a_full_batch_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog is worked off at full speed."""
    monkeypatch.setattr(module, "GATHER_S", FOR_EVER_S)
    bench = Bench(batch=GATHER_FROM)
    async with bench.running():
        bench.deliver(*_names(0, 3 * GATHER_FROM))
        await until(lambda: len(bench.broker.acked) == 3 * GATHER_FROM)
    assert [len(batch) for batch in bench.store.batches] == [GATHER_FROM] * 3


async def test_what_is_returned_meanwhile_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever gathered goes back with the rest, and all is done."""
    monkeypatch.setattr(module, "GATHER_S", A_WHILE_S)
    bench = Bench()
    async with bench.running():
        await _large_batch(bench, "back")
        bench.ingest.returned()
        await bench.ingest.finish()
    assert bench.stored == _names(0, GATHER_FROM)


async def _large_batch(bench: Bench, *meanwhile: str) -> None:
    """One that is stored and acked, while these are delivered."""
    bench.store.gate.clear()
    bench.deliver(*_names(0, GATHER_FROM))
    await until(lambda: bench.store.batches)
    bench.deliver(*meanwhile)
    bench.store.gate.set()
    await until(lambda: len(bench.broker.acked) == GATHER_FROM)
