"""However many dead letters there are, all can be looked at, and all stay: on both adapters, the same tests."""

import pytest

from notify_sse.core.ports import DeadLetter, Queued
from notify_sse.errors import BrokerUnavailable
from tests.broker.brokers import Brokers, Process, running
from tests.support.dead_letters import refuse_many

COUNT = 1200
BODIES = [f"{number:04}".encode() for number in range(COUNT)]


async def _seen(process: Process, *, enough: int = COUNT + 1) -> list[bytes]:
    """The bodies that one look shows, until there are `enough`."""
    seen: list[bytes] = []

    def visit(letter: DeadLetter) -> bool:
        seen.append(letter.body)
        return len(seen) == enough

    await process.broker.visit_dead_letters(visit)
    return seen


async def test_each_is_shown_once_in_order_and_is_there_again(brokers: Brokers) -> None:
    """Whoever looks next finds all of them, in the same order, and so does a purge."""
    async with running(brokers.open()) as process:
        assert await _seen(process) == []
        await refuse_many(process.broker, BODIES)
        for _ in range(3):
            assert await _seen(process) == BODIES
            assert await process.broker.queued() == Queued(ingest=0, dead=COUNT)
        assert await process.broker.purge_dead_letters() == COUNT


async def test_a_look_ends_when_it_has_seen_enough(brokers: Brokers) -> None:
    """At the first, or beyond the thousandth; the others are not shown, and nothing is missing afterwards."""
    async with running(brokers.open()) as process:
        await refuse_many(process.broker, BODIES)
        for enough in (1, 64, 65, 1100):
            assert len(set(await _seen(process, enough=enough))) == enough
            assert (await process.broker.queued()).dead == COUNT
        assert sorted(await _seen(process)) == BODIES


async def test_what_a_visit_raises_ends_the_look_and_nothing_is_missing(brokers: Brokers) -> None:
    async with running(brokers.open()) as process:
        await refuse_many(process.broker, BODIES)

        def visit(letter: DeadLetter) -> bool:
            if letter.body == BODIES[700]:
                raise ValueError("no more")
            return False

        with pytest.raises(ValueError, match="no more"):
            await process.broker.visit_dead_letters(visit)
        assert sorted(await _seen(process)) == BODIES


async def test_chosen_ones_are_taken_from_beyond_the_first_thousand(brokers: Brokers) -> None:
    async with running(brokers.open()) as process:
        await refuse_many(process.broker, BODIES)
        assert await process.broker.purge_dead_letters(chosen=lambda letter: letter.body == BODIES[1100]) == 1
        assert sorted(await _seen(process)) == [body for body in BODIES if body != BODIES[1100]]


async def test_a_closed_broker_shows_nothing(brokers: Brokers) -> None:
    async with running(brokers.open(publish_timeout_s=0.2)) as process:
        pass
    with pytest.raises(BrokerUnavailable):
        await process.broker.visit_dead_letters(lambda _: False)
