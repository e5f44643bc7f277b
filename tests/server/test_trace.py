"""What became of a notification, asked of a running service: over HTTP, and of its database by the commands."""

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from notify_sse.core.journal import Entries
from notify_sse.store.sqlite.journal import SqliteJournal
from tests.cli import running as command
from tests.server.in_process import running
from tests.support.api import Api, bearer, notification
from tests.support.polling import eventually
from tests.support.service import Service

ADMIN = "notifications:admin"
SECRET = "canary-payload-91c2"


async def _trace(api: Api, service: Service, name: str, **params: str) -> dict[str, Any]:
    token = service.token("root", scope=ADMIN)
    answer = await api.http.get(f"/admin/notifications/{name}", params=params, headers=bearer(token))
    assert SECRET not in answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _states(api: Api, service: Service, name: str, **params: str) -> list[tuple[str, bool | None]]:
    [item] = (await _trace(api, service, name, **params))["items"]
    return [(one["state"], one["open"]) for one in item["connections"]]


async def test_a_notification_is_traced_from_its_publish_to_the_proof_that_it_was_received(tmp_path: Path) -> None:
    """On a connection that is open, within two seconds; then on one that has ended, and one that came back with it."""
    async with running(tmp_path) as service, Api(service) as api:
        async with api.stream("alice") as stream:
            await stream.event("connected")
            document = notification("alice", notification_id="n/1", payload={"text": SECRET})
            [cursor] = await api.publish_many([document])
            await stream.event("message")
            written = time.monotonic()

            async def told() -> bool:
                return await _states(api, service, "n/1") == [("written", True)]

            await eventually(told, what="the open connection to be told of", within_s=30)
            assert time.monotonic() - written < 5, "more than a beat late, with time for a slow machine"
        async with api.stream("bob") as other:
            await other.event("connected")

        async def ended() -> bool:
            return await _states(api, service, "n/1") == [("written", False)]

        await eventually(ended, what="the end of the connection to be told of")
        [item] = (await _trace(api, service, "n/1"))["items"]
        assert item["received"] is None
        async with api.stream("alice", last_event_id=cursor) as stream:
            await stream.event("connected")

            async def back() -> bool:
                return await _states(api, service, "n/1") == [("written", False), ("received_before", True)]

            await eventually(back, what="the connection that came back to be told of")
        found = await _trace(api, service, "n/1")
        [item] = found["items"]
        assert found["state"] == "stored"
        assert (item["recipient_id"], item["cursor"], item["received"]["cursor"]) == ("alice", cursor, cursor)
        assert (item["accepted"]["way"], item["accepted"]["announced"]) == ("http", True)
        assert item["read"] is None
        token = service.token("alice")
        marked = await api.http.post("/notifications/read", json={"upto": cursor}, headers=bearer(token))
        [item] = (await _trace(api, service, "n/1"))["items"]
        assert item["read"]["cursor"] == marked.json()["cursor"]
        assert item["read"]["at"] >= item["committed_at"]
        first = item["connections"][0]
        assert (first["transport"], first["written"], first["closed_reason"]) == ("sse", True, "client")


async def test_who_was_not_connected_was_written_nothing(tmp_path: Path) -> None:
    """Before it, or after it without a cursor; and a topic is traced for the recipient that is named."""
    async with running(tmp_path) as service, Api(service) as api:
        async with api.stream("alice") as stream:
            await stream.event("connected")
        await api.publish_many(
            [notification("alice", notification_id="n1"), notification(topic="all", notification_id="t1")]
        )
        async with api.stream("alice") as stream:
            await stream.event("connected")

        async def over() -> bool:
            answer = await _connections(api, service, "alice")
            return [one["closed_reason"] for one in answer["items"]] == ["client", "client"]

        await eventually(over, what="both connections to be kept")
        assert {state for state, _ in await _states(api, service, "n1")} == {"not_written"}
        assert {state for state, _ in await _states(api, service, "t1", recipient_id="alice")} == {"not_written"}
        assert await _states(api, service, "t1") == [], "nobody is named"
        missing = await _trace(api, service, "never-published")
        assert (missing["state"], missing["items"]) == ("not_found", [])
        assert (await _trace(api, service, "n1", recipient_id="bob"))["items"] == []


async def _connections(api: Api, service: Service, recipient_id: str) -> dict[str, Any]:
    token = service.token("root", scope=ADMIN)
    answer = await api.http.get(f"/admin/recipients/{recipient_id}/connections", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_only_an_administrator_may_ask(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Api(service) as api:
        await api.publish_many([notification("alice", notification_id="n1", payload={"text": SECRET})])
        for path in ("/admin/notifications/n1", "/admin/recipients/alice/connections"):
            reader = service.token("alice", scope="notifications:read notifications:publish")
            for headers, status in (({}, 401), (bearer(reader), 403)):
                answer = await api.http.get(path, headers=headers)
                assert answer.status_code == status
                assert "alice" not in answer.text
            in_query = await api.http.get(path, params={"access_token": service.token("root", scope=ADMIN)})
            assert in_query.status_code == 401, "a link must not be enough"


async def test_the_commands_read_the_database_without_the_service(tmp_path: Path) -> None:
    """After it has ended: its connections are closed, in order, as `drain`."""
    async with running(tmp_path) as service, Api(service) as api:
        await api.publish_many([notification("alice", notification_id="n0")])
        async with api.stream("alice") as stream:
            await stream.event("connected")
            await api.publish_many([notification("alice", notification_id="n1", payload={"text": SECRET})])
            await stream.event("message")
        async with api.stream("alice") as stream:
            await stream.event("connected")
            env = command.of(service)
            await asyncio.sleep(0)
    [found] = await asyncio.to_thread(lambda: command.lines("trace", "n1", "--json", env=env))
    states = [one["state"] for one in found["items"][0]["connections"]]
    assert states == ["written", "not_written"]
    text = await asyncio.to_thread(lambda: command.done("trace", "n1", "--to", "alice", env=env))
    assert "written: sse" in text
    assert SECRET not in text
    listed = await asyncio.to_thread(lambda: command.lines("connections", "alice", "--json", env=env))
    assert len(listed) == 2
    assert all(one["closed_reason"] for one in listed)
    await asyncio.to_thread(lambda: command.done("recipient", "erase", "alice", env=env))
    text = await asyncio.to_thread(lambda: command.done("trace", "n1", "--to", "alice", env=env))
    assert text.startswith("recalled or erased, for recipient alice: ")
    assert "expires" not in text
    missing = await asyncio.to_thread(lambda: command.run("trace", "nowhere", env=env))
    assert missing.returncode == 1


async def test_a_gateway_is_known_as_soon_as_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it died within its first second, a trace would have to name it: nobody is let in before its first beat."""
    monkeypatch.setattr("notify_sse.gateway.journal_writer.EVERY_S", 1000.0)
    written = SqliteJournal.write

    async def slow(journal: SqliteJournal, entries: Entries) -> None:
        await asyncio.sleep(0.3)
        await written(journal, entries)

    monkeypatch.setattr(SqliteJournal, "write", slow)
    async with running(tmp_path) as service, Api(service) as api:
        token = service.token("root", scope=ADMIN)
        overview = (await api.http.get("/admin/overview", headers=bearer(token))).json()
    assert [(one["gateway"], one["state"]) for one in overview["gateways"]] == [(overview["gateway"], "up")]


async def test_without_a_journal_a_trace_says_that_it_does_not_know(tmp_path: Path) -> None:
    async with running(tmp_path, JOURNAL="false") as service, Api(service) as api:
        async with api.stream("alice") as stream:
            await stream.event("connected")
            await api.publish_many([notification("alice", notification_id="n1")])
            await stream.event("message")
        found = await _trace(api, service, "n1")
    assert found["items"][0]["connections"] == []
    assert any("NOTIFY_SSE_JOURNAL" in one for one in found["unknown"])


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_each_stream_leaves_two_records(tmp_path: Path, caplog: pytest.LogCaptureFixture, level: str) -> None:
    """At the level that is set, with all that finds the other: connection, request, address, cursor, reason."""
    caplog.set_level(logging.DEBUG)
    async with running(tmp_path, LOG_STREAMS=level) as service, Api(service) as api:
        headers = {"X-Request-ID": "req-17"}
        async with api.stream("alice", headers=headers) as stream:
            greeting = await stream.event("connected")

        def records() -> list[dict[str, Any]]:
            return [vars(one) for one in caplog.records if vars(one).get("connection_id")]

        async def both() -> bool:
            return len(records()) == 2

        await eventually(both, what="both records")
    opened, closed = records()
    assert [one["levelname"] for one in (opened, closed)] == [level.upper()] * 2
    assert (opened["action"], closed["action"], closed["reason"]) == ("stream_opened", "stream_closed", "client")
    for record in (opened, closed):
        assert record["connection_id"] == json.loads(greeting.data)["connection_id"]
        assert (record["request_id"], record["address"], record["transport"]) == ("req-17", "127.0.0.1", "sse")
        assert record["cursor"] == greeting.id
