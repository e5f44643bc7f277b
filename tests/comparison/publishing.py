"""`python -m tests.comparison.publishing`: how many a publisher gets confirmed a second, ways side by side in one run.

Nobody consumes. Each way publishes the same count in turn, several rounds, and the median of each way counts.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aio_pika
import click
import msgspec
import pika
import uvloop

from notify_sse import Publisher
from notify_sse.broker import open_broker
from notify_sse.core.ports import Listener
from tests.support.services import private_directory, start_rabbitmq

UNDER_WAY: Final = 500
PREFIX: Final = "publishing"
KEY: Final = "recipient.alice.new_message"
CONTENT: Final[dict[str, Any]] = {
    "recipient_id": "alice",
    "notification_type": "new_message",
    "payload": {"text": "x" * 100},
}

Way = Callable[[str, int], Awaitable[None]]


def _body() -> bytes:
    return msgspec.json.encode({"notification_id": uuid.uuid4().hex, **CONTENT})


async def _each(count: int, publish: Callable[[], Awaitable[Any]]) -> None:
    """`count` calls, at most `UNDER_WAY` of them at a time."""
    left = count

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await publish()

    await asyncio.gather(*(work() for _ in range(UNDER_WAY)))


async def publisher_calls(url: str, count: int) -> None:
    """`Publisher.publish`, many calls under way."""
    async with Publisher(url, amqp_prefix=PREFIX) as publisher:
        await _each(count, lambda: publisher.publish(**CONTENT))


async def publisher_many(url: str, count: int) -> None:
    """`Publisher.publish_many`."""
    async with Publisher(url, amqp_prefix=PREFIX) as publisher:
        await publisher.publish_many(CONTENT for _ in range(count))


async def command(url: str, count: int) -> None:
    """`notify-sse publish < lines`."""
    environ = {**os.environ, "NOTIFY_SSE_BROKER_URL": url, "NOTIFY_SSE_AMQP_PREFIX": PREFIX}
    lines = b"".join(_body() + b"\n" for _ in range(count))
    argv = [sys.executable, "-m", "notify_sse", "publish", "--quiet"]
    await asyncio.to_thread(subprocess.run, argv, input=lines, env=environ, check=True, stderr=subprocess.DEVNULL)


async def plain_aio_pika(url: str, count: int) -> None:
    """aio-pika as its documentation shows it, many calls under way."""
    async with await aio_pika.connect(url) as connection:
        exchange = await (await connection.channel()).get_exchange(PREFIX)
        await _each(
            count,
            lambda: exchange.publish(
                aio_pika.Message(
                    _body(), content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
                ),
                KEY,
            ),
        )


async def plain_pika(url: str, count: int) -> None:
    """pika's blocking connection: one confirm after the other. A tenth of them, since it is that slow."""

    def publish() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
            for _ in range(count):
                channel.basic_publish(PREFIX, KEY, _body(), properties, mandatory=True)

    await asyncio.to_thread(publish)


WAYS: Final[dict[str, tuple[Way, float]]] = {
    "Publisher.publish, 500 under way": (publisher_calls, 1.0),
    "Publisher.publish_many": (publisher_many, 1.0),
    "notify-sse publish < lines": (command, 1.0),
    "aio-pika, 500 under way": (plain_aio_pika, 1.0),
    "pika, one after the other": (plain_pika, 0.1),
}
"""Each with the share of the count that it publishes."""


async def measure(url: str, *, count: int, rounds: int) -> dict[str, float]:
    """The median rate of each way, notifications a second."""
    broker = open_broker(url, prefix=PREFIX)
    connected = asyncio.Event()
    await broker.start(Listener(on_connected=connected.set))
    await connected.wait()  # the exchange and the queues are there
    await broker.close()
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, (way, share) in WAYS.items():
            some = int(count * share)
            began = time.perf_counter()
            await way(url, some)
            rates[name].append(some / (time.perf_counter() - began))
            await _emptied(url)
    return {name: statistics.median(measured) for name, measured in rates.items()}


async def _emptied(url: str) -> None:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue(f"{PREFIX}.ingest")
        await queue.purge()


@click.command()
@click.option("--count", default=20_000, show_default=True, help="Notifications a way and round.")
@click.option("--rounds", default=3, show_default=True, help="How often.")
def main(*, count: int, rounds: int) -> None:
    """Measure publishing to a private RabbitMQ."""
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rates = runner.run(measure(broker.url, count=count, rounds=rounds))
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)
    plain = rates["aio-pika, 500 under way"]
    for name, rate in rates.items():
        click.echo(f"{name:36} {rate:8.0f} a second   {rate / plain:5.2f} of aio-pika")


if __name__ == "__main__":
    main()
