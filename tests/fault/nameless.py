"""A plain AMQP publisher whose messages have no id of any kind, and what became of them in the log."""

import asyncio
import itertools
import json
import time
from contextlib import suppress
from typing import Any, Final

import aio_pika
import asyncpg
from aio_pika.abc import AbstractConnection

from tests.fault.scribe import FOREIGN

KEY: Final = "recipient.nobody.note"
CHANNEL: Final = b"recipient:nobody"
CONTENT_TYPES: Final = ("application/json", "application/json; charset=utf-8", "text/plain", None)
EVERY_S: Final = 0.05
CONFIRM_S: Final = 10.0


class NamelessPublisher:
    """Publishes at a steady rate, straight to the broker: each message once, with a confirm and without any id."""

    def __init__(self, url: str, prefix: str, *, per_s: float) -> None:
        self.confirmed: set[int] = set()
        self._url, self._prefix, self._per_s = url, prefix, per_s
        self._numbers = itertools.count()
        self._connection: AbstractConnection | None = None

    async def run(self) -> None:
        """Publish, until cancelled; what is not confirmed by then may be anywhere."""
        self._connection = await aio_pika.connect(self._url)
        channel = await self._connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange(self._prefix, ensure=False)
        due = time.monotonic()
        while True:
            numbers = itertools.islice(self._numbers, max(1, round(self._per_s * EVERY_S)))
            await asyncio.gather(*(self._publish(exchange, number) for number in numbers))
            due = max(due + EVERY_S, time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _publish(self, exchange: Any, number: int) -> None:
        body = {"recipient_id": "nobody", "notification_type": "note", "payload": {"number": number}}
        message = aio_pika.Message(
            json.dumps(body).encode(),
            content_type=CONTENT_TYPES[number % len(CONTENT_TYPES)],
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        async with asyncio.timeout(CONFIRM_S):
            await exchange.publish(message, KEY)
        self.confirmed.add(number)

    async def close(self) -> None:
        if self._connection:
            with suppress(Exception):
                await self._connection.close()


async def count_of(broker_url: str, queue: str) -> int:
    """How many messages wait in `queue`."""
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        declared = await channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


async def places(database_url: str, *, newest: int | None = None) -> dict[int, list[int]] | None:
    """Where the log has each number, in order, or those of its `newest` rows; None while the database is away."""
    try:
        connection = await asyncpg.connect(database_url, timeout=3, command_timeout=10)
    except FOREIGN:
        return None
    try:
        rows = await connection.fetch(
            "SELECT id, body FROM log WHERE channel = $1 ORDER BY id DESC LIMIT $2", CHANNEL, newest
        )
    finally:
        await connection.close()
    found: dict[int, list[int]] = {}
    for place, body in reversed(rows):
        found.setdefault(json.loads(body)["payload"]["number"], []).append(place)
    return found


def committed_in_vain(found: dict[int, list[int]]) -> list[list[int]]:
    """The places of all copies but the last of each number, in stretches without a gap: the batches whose acks were
    lost with their connection.
    """
    early = sorted(place for copies in found.values() for place in copies[:-1])
    stretches: list[list[int]] = []
    for place in early:
        if stretches and stretches[-1][-1] == place - 1:
            stretches[-1].append(place)
        else:
            stretches.append([place])
    return stretches
