"""`kill -9` of the service while notifications are published, again and again: none is lost, repeated or reordered."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.api import PUBLISH, STREAM, Api
from tests.support.checker import History, check
from tests.support.polling import eventually
from tests.support.publishers import Load, publish_over_amqp, publish_over_http
from tests.support.readers import ResumingReader
from tests.support.service import Service, ServiceFactory, Stack

SEED = 20261122
STREAMS = 100
NOTIFICATIONS = 6_000
PUBLISHERS = 4
KILLS = 4
RECIPIENTS = [f"recipient-{n}" for n in range(80)]
TOPICS = ["news", "sport", "weather"]
CAUGHT_UP_S = 30.0
ENV = {"HEARTBEAT_S": "1"}


@pytest.mark.deadline(150)
async def test_rabbitmq_and_postgres_survive_kills_of_the_service(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """6,000 notifications published with pika and confirms, 100 streams with random drops, four kills."""
    options: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    running = await asyncio.to_thread(service, env=ENV, **options)

    def publish(load: Load, name: str, count: int) -> Coroutine[Any, Any, None]:
        return asyncio.to_thread(publish_over_amqp, load, url=broker_url, prefix=amqp_prefix, name=name, count=count)

    await _run(running, publish)


@pytest.mark.deadline(150)
async def test_the_embedded_default_survives_kills_of_the_service(service: ServiceFactory) -> None:
    """The same with POST alone: the log is on disk, and a publisher repeats with the same id until it is answered."""
    running = await asyncio.to_thread(service, env=ENV)
    token = running.token("a-publisher", scope=PUBLISH)

    def publish(load: Load, name: str, count: int) -> Coroutine[Any, Any, None]:
        return publish_over_http(load, url=running.url, token=token, name=name, count=count)

    load = await _run(running, publish)
    assert load.retries >= KILLS, "no publish was hit by a kill"


async def _run(service: Service, publish: Callable[[Load, str, int], Coroutine[Any, Any, None]]) -> Load:
    chance = random.Random(SEED)
    async with _readers(service, chance) as readers:

        def delivered() -> int:
            return max(reader.position for reader in readers)

        load = Load(recipients=RECIPIENTS, topics=TOPICS, seed=SEED, delivered=delivered)
        share = NOTIFICATIONS // PUBLISHERS
        publishing = [asyncio.create_task(publish(load, f"p{number}", share)) for number in range(PUBLISHERS)]
        dropping = asyncio.create_task(_drop_at_random(readers, chance))
        for kill in range(KILLS):
            await _until(delivered, NOTIFICATIONS * (kill + 1) // (KILLS + 1))
            assert not any(task.done() for task in publishing), "nothing is published any more"
            await asyncio.to_thread(service.restart)
        await asyncio.gather(*publishing)
        dropping.cancel()
        await _until_caught_up(service, readers, load)
    assert len(load.published) == NOTIFICATIONS
    violations = check(History(load.published, [reader.record for reader in readers]))
    assert violations == [], f"{len(violations)} violations, such as {violations[0]}"
    assert sum(reader.drops for reader in readers) >= STREAMS, "too few drops to prove anything"
    assert all(reader.resumed >= KILLS for reader in readers), "some streams were not there for every kill"
    assert {status for reader in readers for status in reader.statuses} == {200}
    return load


@asynccontextmanager
async def _readers(service: Service, chance: random.Random) -> AsyncIterator[list[ResumingReader]]:
    readers = []
    for number in range(STREAMS):
        recipient = RECIPIENTS[number % len(RECIPIENTS)]
        topics = chance.sample(TOPICS, number % 3)
        token = service.token(recipient, topics=topics)
        readers.append(
            ResumingReader(
                service.url + STREAM,
                name=f"reader-{number}",
                recipient=recipient,
                token=token,
                topics=topics,
                chance=chance,
            )
        )
    tasks = [asyncio.create_task(reader.run()) for reader in readers]

    async def all_connected() -> bool:
        return all(reader.record.sightings for reader in readers)

    await eventually(all_connected, what="all streams to be connected", within_s=30)
    try:
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _drop_at_random(readers: list[ResumingReader], chance: random.Random) -> None:
    while True:
        await asyncio.sleep(0.02)
        for reader in chance.sample(readers, 3):
            reader.drop()


async def _until(delivered: Callable[[], int], count: int) -> None:
    async def reached() -> bool:
        return delivered() >= count

    await eventually(reached, what=f"{count} to be delivered", within_s=60)


async def _until_caught_up(service: Service, readers: list[ResumingReader], load: Load) -> None:
    """Everything published is in the log, and every stream has come to its end."""
    async with Api(service) as api:

        async def all_stored() -> int:
            position = int((await api.head()).rpartition(".")[2])
            return position if position >= len(load.published) else 0

        head = await eventually(all_stored, what="all to be stored", within_s=CAUGHT_UP_S)

    async def all_there() -> bool:
        return all(reader.position >= head for reader in readers)

    await eventually(all_there, what="all streams to catch up", within_s=CAUGHT_UP_S)
