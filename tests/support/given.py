"""A RabbitMQ and a Postgres that were given to the tests, by URL, in place of private ones.

Tests that kill, freeze or reconfigure a server use a private one all the same.
"""

import asyncio
import contextlib
import os
import time
import uuid
from collections import deque
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import pika

BROKER_URL = os.environ.get("NOTIFY_SSE_TEST_BROKER_URL", "")
DATABASE_URL = os.environ.get("NOTIFY_SSE_TEST_DATABASE_URL", "")
URLS = {"broker_url": BROKER_URL, "database_url": DATABASE_URL}
"""By fixture."""
SETTLED_S = 15.0


@contextlib.contextmanager
def fresh_database() -> Iterator[str]:
    """A fresh, empty database on the given server; dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    asyncio.run(_execute(f'CREATE DATABASE "{name}"'))
    try:
        yield urlsplit(DATABASE_URL)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(_execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def delete_topology(broker_url: str, prefix: str) -> None:
    """Delete the contract's queues and exchanges of a prefix; those that were never declared are no matter."""
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    with contextlib.closing(connection):
        channel = connection.channel()
        for queue in ("ingest", "dead"):
            channel.queue_delete(f"{prefix}.{queue}")
        for exchange in (prefix, f"{prefix}.live", f"{prefix}.dlx"):
            channel.exchange_delete(exchange)


class Retired:
    """Prefixes that no test uses any more. Their queues are deleted some seconds later: RabbitMQ 3.10 loses what serves
    at-least-once dead-lettering, and with it every queue that comes after, when one is deleted in the moment in which
    it starts.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, str, str]] = deque()

    def add(self, broker_url: str, prefix: str) -> None:
        """Take `prefix`, and delete those that have waited long enough."""
        now = time.monotonic()
        self._waiting.append((now + SETTLED_S, broker_url, prefix))
        self._delete(now)

    def finish(self) -> None:
        """Delete what is left; for a server that outlives the tests."""
        self._delete(float("inf"))

    def _delete(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, broker_url, prefix = self._waiting.popleft()
            delete_topology(broker_url, prefix)


async def _execute(statement: str) -> None:
    connection = await asyncpg.connect(DATABASE_URL)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
