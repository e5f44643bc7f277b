"""Deliveries are given back once while the store is away, and taken again when it is back."""

import asyncio
from collections.abc import Callable

import pytest

from notify_sse.log import pause as module
from notify_sse.log.pause import Pause
from notify_sse.telemetry.outage import Outage
from tests.support.doubles import HandBroker, running
from tests.support.polling import until


class Bench:
    """A pause on a broker and an outage in hand, with short times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, patience_s: float = 0.05) -> None:
        monkeypatch.setattr(module, "PATIENCE_S", patience_s)
        monkeypatch.setattr(module, "LOOK_S", 0.002)
        self.broker = HandBroker()
        self.outage = Outage("the store")
        self.stored = 0
        self.pause = Pause(self.broker.port, self.outage, stored=lambda: self.stored)

    def told(self) -> list[str]:
        return self.broker.told

    async def tells(self, *told: str) -> None:
        await until(lambda: self.broker.told == list(told))


async def test_a_store_that_stays_away_pauses_consuming_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, however long that takes: each time counts as a delivery, and twenty make a dead letter."""
    bench = Bench(monkeypatch)
    async with running(bench.pause.run()):
        bench.outage.lost("append", "refused")
        await bench.tells("pause")
        assert bench.pause.paused
        bench.pause.returned()
        await asyncio.sleep(10 * module.LOOK_S)
        assert bench.told() == ["pause"]
        bench.outage.back("append")
        await bench.tells("pause", "resume")
        assert not bench.pause.paused


async def test_a_short_absence_pauses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, patience_s=60)
    async with running(bench.pause.run()):
        bench.outage.lost("head", "refused")
        await asyncio.sleep(10 * module.LOOK_S)
        bench.outage.back("head")
        bench.pause.returned()
        await asyncio.sleep(10 * module.LOOK_S)
    assert bench.told() == []


async def test_a_connection_lost_while_the_store_is_away_is_not_consumed_on_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would only be lost again, for the same reason, and each time counts as a delivery."""
    bench = Bench(monkeypatch, patience_s=60)
    async with running(bench.pause.run()):
        bench.outage.lost("head", "refused")
        bench.pause.returned()
        await bench.tells("pause")
        bench.outage.back("head")
        await bench.tells("pause", "resume")


async def test_a_store_that_comes_and_goes_is_given_more_and_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers but takes no writes would use up the delivery limit within minutes."""
    bench = Bench(monkeypatch, patience_s=0.02)
    waits = _recorded_waits(monkeypatch, above_s=0.01)
    async with running(bench.pause.run()):
        for rounds in range(4):
            bench.outage.lost("append", "the disk is full")
            await bench.tells(*["pause", "resume"] * rounds, "pause")
            bench.outage.back("append")
            await bench.tells(*["pause", "resume"] * (rounds + 1))
    assert waits == [0.02, 0.04, 0.08]


async def test_a_store_that_took_some_in_between_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue went on, so that nothing comes nearer to its delivery limit; what is new would wait for nothing."""
    bench = Bench(monkeypatch, patience_s=0.02)
    waits = _recorded_waits(monkeypatch, above_s=0.01)
    async with running(bench.pause.run()):
        for rounds in range(4):
            bench.outage.lost("append", "restarted")
            await bench.tells(*["pause", "resume"] * rounds, "pause")
            bench.outage.back("append")
            await bench.tells(*["pause", "resume"] * (rounds + 1))
            await until(lambda: not bench.pause.paused)
            await asyncio.sleep(0)
            bench.stored += rounds < 2
    assert waits == [0.02]


def _recorded_waits(monkeypatch: pytest.MonkeyPatch, *, above_s: float) -> list[float]:
    waits: list[float] = []
    sound: Callable[..., object] = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds > above_s:
            waits.append(seconds)
        await sound(min(seconds, 0.001))  # type: ignore[misc]

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waits
