"""Publishing over HTTP while the broker or the store is away: accepted, or safe to repeat."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.support.api import STREAM, Api, bearer, notification
from tests.support.polling import eventually
from tests.support.service import ServiceFactory, Stack
from tests.support.services import PostgresServer, free_port


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_publishing_works_while_the_broker_is_down(
    request: pytest.FixtureRequest, service: ServiceFactory, store: str
) -> None:
    """Straight to the log and to the streams: the broker is not needed, neither for that nor for being ready."""
    options: Stack = {"broker_url": f"amqp://guest:guest@127.0.0.1:{free_port()}/"}
    if store == "postgres":
        options["database_url"] = request.getfixturevalue("database_url")
    running = await asyncio.to_thread(service, **options)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        published = await api.publish("alice")
        assert (await stream.event("message")).id == published
        assert "notify_sse_broker_connected 0.0" in (await api.http.get("/metrics")).text


async def test_while_postgres_is_down_a_publish_is_503_and_its_retry_counts_once(
    postgres_server: PostgresServer, database_url: str, service: ServiceFactory
) -> None:
    """503 with `Retry-After` and the ids to retry with; then, whatever became of the first try, one delivery."""
    env = {"PUBLISH_TIMEOUT_S": "1"}
    running = await asyncio.to_thread(service, database_url=database_url, env=env)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        documents = [notification("alice", notification_id=f"n{n}", payload={"n": n}) for n in range(5)]
        await asyncio.to_thread(postgres_server.kill)
        for answer in await asyncio.gather(*map(api.post, documents)):
            _expect_unknown(answer)
        await asyncio.to_thread(postgres_server.start)
        await _retry(api, documents)
        last = await api.publish("alice")
        received = [(await stream.event("message")) for _ in range(6)]
        assert received[-1].id == last
        assert {one.json()["notification_id"] for one in received[:5]} == {"n0", "n1", "n2", "n3", "n4"}


async def test_while_the_file_is_locked_a_publish_is_503_and_its_retry_counts_once(service: ServiceFactory) -> None:
    """The same on the embedded default: another program holds the database."""
    running = await asyncio.to_thread(service, env={"PUBLISH_TIMEOUT_S": "1"})
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        document = notification("alice", notification_id="n")
        with closing(sqlite3.connect(running.directory / "notify-sse.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            _expect_unknown(await api.post(document))
            other.execute("ROLLBACK")
        await _retry(api, [document])
        last = await api.publish("alice")
        assert (await stream.notification())["notification_id"] == "n"
        assert (await stream.event("message")).id == last


@pytest.mark.parametrize("waiting_for", ["publish", "history", "stream"])
async def test_a_request_that_waits_for_a_lost_database_ends_without_a_traceback(
    postgres_server: PostgresServer, database_url: str, service: ServiceFactory, waiting_for: str
) -> None:
    """SIGTERM ends it, as it is meant to: an ERROR wants a person."""
    env = {"PUBLISH_TIMEOUT_S": "30", "DRAIN_S": "1"}
    running = await asyncio.to_thread(service, database_url=database_url, env=env)
    async with Api(running) as api:
        cursor = f"{(await api.head()).partition('.')[0]}.999"
        await asyncio.to_thread(postgres_server.freeze)
        requests = {
            "publish": lambda: api.post(notification("alice")),
            "history": lambda: api.history("alice"),
            "stream": lambda: api.http.get(STREAM, headers=bearer(running.token("a")) | {"Last-Event-ID": cursor}),
        }
        waiting = asyncio.create_task(requests[waiting_for]())
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
        await asyncio.to_thread(running.terminate, within_s=30)
        await asyncio.gather(waiting, return_exceptions=True)
    assert "Traceback" not in running.logged()
    assert " ERROR " not in running.logged()


def _expect_unknown(answer: Any) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    assert answer.json()["code"] == "store_unavailable"
    assert answer.json()["notification_ids"]


async def _retry(api: Api, documents: list[dict[str, Any]]) -> None:
    """As a publisher does: the same ids, until 2xx."""
    for document in documents:

        async def accepted(document: dict[str, Any] = document) -> bool:
            return (await api.post(document)).status_code in (200, 201)

        await eventually(accepted, what="the publish to be accepted", within_s=30)
