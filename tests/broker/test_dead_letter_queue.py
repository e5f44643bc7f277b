"""Who looks at the dead letters holds them: so one looks at a time, in this process and in others.

And a look holds one body at a time, and gives all of them back, whatever becomes of it.
"""

import asyncio
import tracemalloc
from contextlib import AsyncExitStack, suppress

import aiormq
import pytest
from aiormq.abc import AbstractChannel

from notify_sse.broker.rabbitmq import dead_letter_queue, looking
from notify_sse.broker.rabbitmq.broker import RabbitMQBroker
from notify_sse.broker.rabbitmq.looking import FIRST_WINDOW, kept_in, look, ready, wait_until_back
from notify_sse.core.ports import DeadLetter, Visit
from notify_sse.errors import BrokerUnavailable
from tests.broker.brokers import DEADLINE_S, Brokers, Process, RabbitMQBrokers, message, publishing, running
from tests.support.dead_letters import refuse_many
from tests.support.polling import eventually
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


async def _cut_short(process: Process, moment: asyncio.Event, visit: Visit) -> None:
    """Begin to look, and cancel that at this moment."""
    look = asyncio.create_task(process.broker.visit_dead_letters(visit))
    await moment.wait()
    look.cancel()
    await asyncio.wait([look])
    assert look.cancelled()


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


async def test_who_cancels_a_look_waits_until_all_are_back(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the next one may count too few: the broker takes a moment to put back what was looked at."""
    count = 10 * FIRST_WINDOW
    waited_for: list[int] = []

    async def wait(channel: AbstractChannel, queue: str, count: int, *, timeout_s: float) -> None:
        waited_for.append(count)
        await wait_until_back(channel, queue, count, timeout_s=timeout_s)

    monkeypatch.setattr(dead_letter_queue, "wait_until_back", wait)
    monkeypatch.setattr(dead_letter_queue, "CUT_SHORT_S", 30)
    async with running(brokers.open()) as process:
        await refuse_many(process.broker, [b"%d" % number for number in range(count)])
        shown = asyncio.Event()

        def visit(_: DeadLetter) -> bool:
            shown.set()
            return False

        await _cut_short(process, shown, visit)
        assert waited_for == [count]
        assert (await process.broker.queued()).dead == count


@pytest.mark.parametrize("cut", ["while they are shown", "while they are given back"])
async def test_nobody_looks_before_all_are_back(brokers: Brokers, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    """A broker whose disk is slow takes seconds for that: who looked meanwhile would say that they are not there."""
    are_back, shown = asyncio.Event(), asyncio.Event()

    async def wait(channel: AbstractChannel, queue: str, count: int, *, timeout_s: float) -> None:
        shown.set()
        await are_back.wait()
        await wait_until_back(channel, queue, count, timeout_s=timeout_s)

    monkeypatch.setattr(dead_letter_queue, "wait_until_back", wait)
    monkeypatch.setattr(dead_letter_queue, "CUT_SHORT_S", 0.05)
    async with running(brokers.open(), consumes=True) as one, running(brokers.open()) as other:
        await _refused(one)

        def visit(_: DeadLetter) -> bool:
            if cut == "while they are shown":
                shown.set()
            return False

        await _cut_short(one, shown, visit)
        seen: list[DeadLetter] = []
        looks = [asyncio.create_task(who.broker.visit_dead_letters(kept_in(seen))) for who in (one, other)]
        await asyncio.wait(looks, timeout=0.5)
        assert seen == []
        are_back.set()
        await asyncio.gather(*looks)
        assert len(seen) == 2 * LETTERS


async def test_a_cancellation_that_is_forgotten_before_the_look_ends_it(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As wait_for does on Python 3.11, when it comes with an answer: nobody is there any more to end it."""
    asked = asyncio.Event()

    async def ready_and_forget(channel: AbstractChannel, queue: str, timeout_s: float) -> int:
        asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(DEADLINE_S)
        return await ready(channel, queue, timeout_s)

    monkeypatch.setattr(dead_letter_queue, "CUT_SHORT_S", 30)
    async with running(brokers.open(), consumes=True) as process:
        await _refused(process)
        monkeypatch.setattr(dead_letter_queue, "ready", ready_and_forget)
        seen: list[DeadLetter] = []
        await _cut_short(process, asked, kept_in(seen))
        assert seen == []


async def test_those_that_do_not_come_back_are_waited_for_once(
    brokers: Brokers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the time-out is forgotten in the same way: both locks are held meanwhile."""

    async def none_and_forget(*_: object) -> int:
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            if forgotten:
                raise
            forgotten.append(True)
        return 0

    forgotten: list[bool] = []

    monkeypatch.setattr(looking, "RETURN_TIMEOUT_S", 0.1)
    async with running(brokers.open(), consumes=True) as process:
        await _refused(process)
        monkeypatch.setattr(looking, "ready", none_and_forget)
        seen: list[DeadLetter] = []
        await process.broker.visit_dead_letters(kept_in(seen))
        assert len(seen) == LETTERS


async def test_a_look_whose_connection_is_lost_says_so_and_loses_nothing(brokers: Brokers) -> None:
    """As when the command is killed: the broker has them back by itself."""
    bodies = [b"%04d" % number for number in range(1500)]
    async with running(brokers.open(publish_timeout_s=3)) as process:
        await refuse_many(process.broker, bodies)
        begun = asyncio.Event()

        def visit(_: DeadLetter) -> bool:
            if not begun.is_set():
                begun.set()
                assert isinstance(process.broker, RabbitMQBroker)
                process.broker._publishing.connection_now()._wire.abort()
            return False

        with pytest.raises(BrokerUnavailable):
            await process.broker.visit_dead_letters(visit)
        await process.until(lambda: process.connects == 2)

        async def back() -> bool:
            return sorted(one.body for one in await process.broker.dead_letters(limit=2000)) == bodies

        await eventually(back, what="all to be there again")


async def test_a_look_holds_one_body_at_a_time(brokers: Brokers) -> None:
    """Forty megabytes are looked through; most of them at once would be seen."""
    async with running(brokers.open()) as process:
        for number in range(40):
            await refuse_many(process.broker, [b"%d" % (number % 10) * 1_000_000])
        sizes: list[int] = []

        def visit(letter: DeadLetter) -> bool:
            sizes.append(len(letter.body))
            return False

        tracemalloc.start()
        try:
            await process.broker.visit_dead_letters(visit)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sizes == [1_000_000] * 40
        assert peak_bytes < 15_000_000


async def test_a_look_ends_without_those_that_another_took_meanwhile(
    brokers: Brokers, rabbitmq_server: RabbitServer, amqp_prefix: str
) -> None:
    """More were counted than come: nothing is ready any more, so that is all."""
    seen: list[DeadLetter] = []
    async with running(brokers.open()) as process, AsyncExitStack() as stack:
        await refuse_many(process.broker, [b"%d" % number for number in range(5)])
        connection = await aiormq.connect(rabbitmq_server.url)
        stack.push_async_callback(connection.close)
        channel, queue = await connection.channel(), f"{amqp_prefix}.dead"
        await look(channel, queue, kept_in(seen), count=9, timeout_s=10)
        assert len(seen) == 5
        assert await ready(channel, queue, 10) == 0


async def test_a_look_gives_up_when_some_are_ready_and_none_comes(rabbitmq_server: RabbitServer) -> None:
    """Here since another consumer is the active one."""
    async with AsyncExitStack() as stack:
        connection = await aiormq.connect(rabbitmq_server.url)
        stack.push_async_callback(connection.close)
        taking, looking = await connection.channel(), await connection.channel()
        declared = await taking.queue_declare(exclusive=True, arguments={"x-single-active-consumer": True})
        assert declared.queue
        for _ in range(3):
            await taking.basic_publish(b"", routing_key=declared.queue)
        await taking.basic_qos(prefetch_count=1)
        await taking.basic_consume(declared.queue, _hold)
        with pytest.raises(TimeoutError, match="none comes"):
            await look(looking, declared.queue, lambda _: False, count=3, timeout_s=1)


async def _hold(_: object) -> None:
    """Takes a message and does not ack it."""
