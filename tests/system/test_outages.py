"""The broker or the database away, at the start or while running: said once, survived, and nothing lost by it."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.amqp import publisher
from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, ServiceOptions, Stack
from tests.support.services import PostgresServer, RabbitServer
from tests.support.streams import Listening
from tests.system.said import complaints, length

AWAY_S = 3.0
"""Long enough for several attempts to reconnect, and for the comparison with the log's head to fail."""
COUNT = 50


def _publish(broker_url: str, prefix: str, names: list[str]) -> None:
    """Over AMQP with pika; returns once all are confirmed."""
    with publisher(broker_url, prefix) as channel:
        for name in names:
            channel.publish(notification("alice", notification_id=name))


async def _receive(stream: Listening, names: list[str]) -> None:
    """The stream goes on, with exactly these next."""
    received = [(await stream.notification(within_s=30))["notification_id"] for _ in names]
    assert received == names


async def _becomes(api: Api, *degraded: str) -> None:
    """/readyz says that these are away, and is ready nevertheless; asked strictly, it is not."""

    async def says() -> bool:
        answer = await api.http.get("/readyz")
        if answer.status_code != httpx.codes.OK:
            return False
        strictly = await api.http.get("/readyz", params={"strict": "1"})
        if answer.json()["degraded"] != strictly.json()["degraded"]:
            return False
        assert strictly.status_code == (503 if answer.json()["degraded"] else 200)
        return tuple(answer.json()["degraded"]) == degraded

    await eventually(says, what=f"{degraded} to be away", within_s=30)
    assert await api.metric("notify_sse_ready") == 1
    assert await api.metric("notify_sse_store_connected") == ("store" not in degraded)


async def _starts(api: Api) -> None:
    """It is not ready, because there is no tail yet that streams could be served from."""
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "starting")
    assert await api.metric("notify_sse_ready") == 0


def _said_once(service: Service, *, since: int, about: str) -> None:
    said = complaints(service, start=since)
    assert said, "nothing was said about it"
    assert set(said.values()) == {1}, f"said more than once: {said}"
    assert all(about in complaint for complaint in said), f"something else was said: {said}"


def _names(phase: str) -> list[str]:
    return [f"{phase}-{number}" for number in range(COUNT)]


@pytest.mark.deadline(120)
async def test_rabbitmq_away_at_the_start_and_again_later(
    rabbitmq_server: RabbitServer, database_url: str, amqp_prefix: str, service: ServiceFactory
) -> None:
    """It starts, is ready and publishes over HTTP without the broker; it connects by itself when there is one, and
    again after the loss. Streams stay open through it all. Said once each time.
    """
    await asyncio.to_thread(rabbitmq_server.kill)
    options: Stack = {"broker_url": rabbitmq_server.url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"}, **options)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        published = await api.publish("alice")
        assert (await stream.event("message")).id == published
        await asyncio.sleep(AWAY_S)
        _said_once(running, since=0, about="the broker is away")
        assert await api.metric("notify_sse_broker_connected") == 0
        await _traced_without_the_broker(api)

        await asyncio.to_thread(rabbitmq_server.start)
        await _connected(api)
        await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, _names("first"))
        await _receive(stream, _names("first"))

        since = length(running)
        running.freeze()  # so that these are confirmed by the broker, and are nowhere else when it dies
        await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, _names("second"))
        await asyncio.to_thread(rabbitmq_server.kill)
        running.thaw()
        await asyncio.sleep(AWAY_S)
        await _becomes(api, "broker")
        await _traced_without_the_broker(api)
        over_http = await api.publish("alice")
        await asyncio.to_thread(rabbitmq_server.start)
        await _connected(api)
        names = [(await stream.notification(within_s=30))["notification_id"] for _ in range(COUNT + 1)]
        assert [name for name in names if str(name).startswith("second")] == _names("second")
        assert over_http in {message.id for message in stream.messages}
        _said_once(running, since=since, about="broker")
        await asyncio.to_thread(_publish, rabbitmq_server.url, amqp_prefix, _names("third"))
        await _receive(stream, _names("third"))


async def _traced_without_the_broker(api: Api) -> None:
    """At once: how it was accepted, where it was written; and what nobody can look at meanwhile is unknown."""
    name, bob = fresh("traced"), fresh("bob")
    admin = bearer(api.service.token("ops", scope="notifications:admin"))
    async with api.stream(bob) as stream:
        await stream.event("connected")
        await api.publish(bob, notification_id=name)
        await stream.event("message")

        async def written() -> Any:
            began = time.monotonic()
            found = (await api.http.get(f"/admin/notifications/{name}", headers=admin)).json()
            [item] = found["items"]
            states = [one["state"] for one in item["connections"]]
            # The way and the connections are read one after the other: a beat may come between them.
            return states == ["written"] and item["accepted"] and (found, time.monotonic() - began)

        found, took_s = await eventually(written, what="the trace to tell of the stream")
    assert took_s < 5, "within two seconds, and a slow machine's time"
    [item] = found["items"]
    assert (found["state"], found["refused"]) == ("stored", [])
    assert (item["accepted"]["way"], item["accepted"]["announced"]) == ("http", False)
    assert "whether it is among the dead letters: the broker is away" in found["unknown"]
    by_command = [sys.executable, "-m", "notify_sse", "trace", name, "--to", bob]
    ended = await asyncio.to_thread(
        subprocess.run, by_command, env=api.service.env, capture_output=True, text=True, check=True
    )
    assert "written: sse" in ended.stdout
    assert "not known: whether it is among the dead letters: the broker is away" in ended.stdout


async def _connected(api: Api) -> None:
    async def connected() -> bool:
        return await api.metric("notify_sse_broker_connected") == 1

    await eventually(connected, what="the broker to be connected", within_s=30)


@pytest.mark.deadline(120)
async def test_a_process_that_only_ingests_says_whether_its_store_is_there(
    postgres_server: PostgresServer, broker_url: str, database_url: str, amqp_prefix: str, service: ServiceFactory
) -> None:
    """It has no tail to catch up: ready once the database answers, and not while it does not."""
    await asyncio.to_thread(postgres_server.kill)
    options: ServiceOptions = {
        "broker_url": broker_url,
        "amqp_prefix": amqp_prefix,
        "database_url": database_url,
        "role": "ingest",
    }
    running = await asyncio.to_thread(service, wait_ready=False, **options)

    async with Api(running) as api:

        async def says(status: str, *, store_away: bool) -> bool:
            with contextlib.suppress(httpx.TransportError):
                answer = await api.http.get("/readyz")
                said = answer.json()
                assert answer.is_success == (said["status"] == "ready")
                return said["status"] == status and ("store" in said["degraded"]) == store_away
            return False

        await eventually(lambda: says("not ready", store_away=True), what="the start")
        await asyncio.to_thread(postgres_server.start)
        await eventually(lambda: says("ready", store_away=False), what="readiness", within_s=30)
        await asyncio.to_thread(postgres_server.kill)
        await eventually(lambda: says("ready", store_away=True), what="the loss to be seen", within_s=30)


@pytest.mark.deadline(120)
async def test_postgres_away_at_the_start_and_again_later(
    postgres_server: PostgresServer, broker_url: str, database_url: str, amqp_prefix: str, service: ServiceFactory
) -> None:
    """It stays up and not ready, and says why; what is published to the broker meanwhile waits there. When the
    database is back, everything is stored once, in order, and open streams go on without a reconnect.
    """
    await asyncio.to_thread(postgres_server.kill)
    options: Stack = {"broker_url": broker_url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    running = await asyncio.to_thread(service, wait_ready=False, env={"HEARTBEAT_S": "0.5"}, **options)
    async with Api(running) as api:
        await _answers(api)
        await _starts(api)
        await _refuses_streams(api)
        await _connected(api)
        await asyncio.to_thread(_publish, broker_url, amqp_prefix, _names("first"))
        await asyncio.sleep(AWAY_S)
        _said_once(running, since=0, about="the store is away")

        await asyncio.to_thread(postgres_server.start)
        await _becomes(api)
        await _all_stored(api, COUNT)
        page = (await api.history("alice", limit=500)).json()
        assert [item["notification_id"] for item in page["items"]] == _names("first")

        async with api.stream("alice") as stream:
            await stream.event("connected")
            since = length(running)
            await asyncio.to_thread(postgres_server.kill)
            await _becomes(api, "store")
            await asyncio.to_thread(_publish, broker_url, amqp_prefix, _names("second"))
            await asyncio.sleep(AWAY_S)
            assert (await stream.event("heartbeat")).event == "heartbeat", "the stream is cut off"
            _said_once(running, since=since, about="the store is away")
            await asyncio.to_thread(postgres_server.start)
            await _receive(stream, _names("second"))
            await _becomes(api)
            assert await api.metric('notify_sse_appended_total{outcome="new"}') == 2 * COUNT


@pytest.mark.parametrize("away", ["killed", "frozen"])
async def test_cold_streams_wait_for_a_postgres_that_is_away(
    postgres_server: PostgresServer, database_url: str, service: ServiceFactory, away: str
) -> None:
    """A client whose cursor lies before the tail: it is connected, gets heartbeats, and its replay when it can be read.
    Killed or hanging, the database does not hold up the streams that are within the tail.
    """
    env = {"HEARTBEAT_S": "0.5", "TAIL_MAX_EVENTS": "2"}
    running = await asyncio.to_thread(service, database_url=database_url, env=env)
    async with Api(running) as api:
        start = await api.head()
        missed = await api.publish_many([notification("alice", payload={"n": n}) for n in range(10)])
        go_away: Callable[[], Any] = postgres_server.kill if away == "killed" else postgres_server.freeze
        come_back: Callable[[], Any] = postgres_server.start if away == "killed" else postgres_server.thaw
        await asyncio.to_thread(go_away)
        async with (
            api.stream("alice", last_event_id=start) as cold,
            api.stream("alice", last_event_id=missed[-2]) as warm,
        ):
            await warm.event("connected")
            assert (await warm.event("message", within_s=30)).id == missed[-1]
            await cold.event("connected")
            beat = await cold.event("heartbeat")
            assert beat.id == start, "a cursor passed what was not sent"
            await asyncio.to_thread(come_back)
            assert [(await cold.event("message", within_s=30)).id for _ in missed] == missed


async def test_a_locked_file_at_the_start_is_waited_for(service: ServiceFactory, sqlite_url: str) -> None:
    """The embedded default: another program holds the new database; once it lets go, the service is ready."""
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        running = await asyncio.to_thread(service, wait_ready=False, database_url=sqlite_url)
        async with Api(running) as api:
            await _answers(api)
            await _starts(api)
            other.execute("ROLLBACK")
            await _becomes(api)
            await api.publish(fresh("alice"))


async def _answers(api: Api) -> None:
    """Liveness does not depend on the database."""

    async def alive() -> bool:
        try:
            return (await api.http.get("/healthz")).status_code == 200
        except OSError:
            return False
        except Exception as exc:  # noqa: BLE001 - httpx's own, while nobody listens yet
            return "ConnectError" not in type(exc).__name__ and "Connect" not in str(exc)

    await eventually(alive, what="the service to listen", within_s=20)


async def _refuses_streams(api: Api) -> None:
    """An EventSource is told to come back later; it would never come back after a 503."""
    async with api.stream("alice") as refused:
        assert refused.stream.status == 200
        assert await refused.end()
        assert [told.json()["reason"] for told in refused.messages] == ["busy"]
        assert refused.stream.parser.retry_ms


async def _all_stored(api: Api, count: int) -> None:
    async def stored() -> bool:
        return (await api.head()).endswith(f".{count}")

    await eventually(stored, what="all to be stored", within_s=30)
