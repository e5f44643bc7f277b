"""What the service can stand on: the embedded default, or RabbitMQ with Postgres. The same tests run on both."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import given
from tests.support.service import Stack

EMBEDDED = "embedded"
SERVERS = "rabbitmq-postgres"
KINDS = (EMBEDDED, SERVERS)


@contextmanager
def stack(kind: str, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Options of `Service` for that kind of stack, with nothing in it yet.

    For fixtures of any scope: the servers are the session's. Whoever uses it kills its services before it ends.
    """
    if kind == EMBEDDED:
        yield {}
        return
    prefix, retired = f"test-{uuid.uuid4().hex[:12]}", request.getfixturevalue("retired")
    broker_url = given.BROKER_URL or request.getfixturevalue("_rabbitmq").url
    with _database(request) as database_url:
        yield {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": prefix}
        retired.add(broker_url, prefix)


@contextmanager
def _database(request: pytest.FixtureRequest) -> Iterator[str]:
    if given.DATABASE_URL:
        with given.fresh_database() as url:
            yield url
        return
    server = request.getfixturevalue("_postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)
