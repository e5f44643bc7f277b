"""Who looks at the dead letters holds them: so one looks at a time, in this process and in others."""

import asyncio

import aiormq
import pytest

from notify_sse.broker.rabbitmq import dead_letter_queue
from tests.broker.brokers import Brokers, Process, RabbitMQBrokers, message, publishing, running
from tests.support.services import RabbitServer

LETTERS = 20


@pytest.fixture
def brokers(rabbitmq_server: RabbitServer, amqp_prefix: str) -> Brokers:
    return RabbitMQBrokers(rabbitmq_server, amqp_prefix)


async def _refused(process: Process) -> None:
    """Some messages go to the dead letters."""
    async with publishing(process.broker, *(message(number) for number in range(LETTERS))):
        for delivery in await process.takes(LETTERS):
            await process.broker.dead_letter(delivery, reason="malformed", detail="")
            await process.broker.ack([delivery])


async def test_all_who_look_at_once_see_all(brokers: Brokers) -> None:
    async with running(brokers.open(), consumes=True) as one, running(brokers.open()) as other:
        await _refused(one)
        for _ in range(3):
            looks = await asyncio.gather(*(who.broker.dead_letters(limit=100) for who in (one, other, one, other)))
            assert [len(look) for look in looks] == [LETTERS] * 4


async def test_a_purge_and_a_choice_wait_for_a_look(brokers: Brokers) -> None:
    async with running(brokers.open(), consumes=True) as one, running(brokers.open()) as other:
        await _refused(one)
        look, chosen = await asyncio.gather(
            one.broker.dead_letters(limit=100),
            other.broker.purge_dead_letters(chosen=lambda letter: letter.body == b"3"),
        )
        assert chosen == 1
        assert len(look) >= LETTERS - 1
        look, purged = await asyncio.gather(one.broker.dead_letters(limit=100), other.broker.purge_dead_letters())
        assert purged == LETTERS - 1
        assert await one.broker.dead_letters(limit=100) == []


async def test_one_that_hangs_keeps_nobody_from_the_dead_letters(
    brokers: Brokers, rabbitmq_server: RabbitServer, amqp_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_queue, "WAIT_S", 0.2)
    async with running(brokers.open(), consumes=True) as one:
        await _refused(one)
        hanging = await aiormq.connect(rabbitmq_server.url)
        try:
            channel = await hanging.channel()
            await channel.queue_declare(f"{amqp_prefix}.dead.look", exclusive=True)
            assert len(await one.broker.dead_letters(limit=100)) == LETTERS
        finally:
            await hanging.close()


async def test_a_look_that_is_cut_short_keeps_nobody_waiting(brokers: Brokers) -> None:
    """At whichever step: what it held is free again."""
    async with running(brokers.open(), consumes=True) as one, running(brokers.open()) as other:
        await _refused(one)
        for steps in range(0, 60, 3):
            look = asyncio.create_task(one.broker.dead_letters(limit=100))
            for _ in range(steps):
                await asyncio.sleep(0)
            look.cancel()
            await asyncio.wait([look])
            async with asyncio.timeout(30):
                await other.broker.dead_letters(limit=1)
