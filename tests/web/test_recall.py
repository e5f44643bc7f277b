"""Recall and erasure over HTTP: the content is in no history, no replay and no tail, and streams are told in order."""

import asyncio
import json
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service
from tests.web.test_admin import administrator

CANARY = "canary"


async def _recall(api: Api, notification_id: str, *, token: str | None = None, **params: Any) -> httpx.Response:
    path = f"/notifications/{quote(notification_id, safe='')}"
    return await api.http.delete(path, params=params, headers=bearer(token or api.publisher))


async def test_a_recalled_notification_is_nowhere_any_more(shared: Service) -> None:
    """Not in a replay from the tail, not in the history; an open stream is told, at its place."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        secret = notification(alice, notification_id="a", payload={"text": CANARY})
        first = (await api.publish_many([secret]))[0]
        await api.publish(alice, notification_id="b")
        async with api.stream(alice) as stream:
            assert (await stream.event("connected")).json()["unread"] == 2
            answer = await _recall(api, "a", recipient_id=alice)
            assert answer.status_code == 200
            told = await stream.event("recalled")
            assert told.json() == {"notification_id": "a"}
            assert told.id == answer.json()["cursor"]
        async with api.stream(alice, last_event_id=start) as stream:
            assert (await stream.event("connected")).json()["unread"] == 1
            seen = [await stream.next() for _ in range(2)]
            assert [one.event for one in seen] == ["message", "recalled"]
            assert CANARY not in seen[0].data
        page = (await api.history(alice, after=start)).text
        assert CANARY not in page
        assert [one["notification_id"] for one in json.loads(page)["items"]] == ["b"]
        assert [one["event"] for one in json.loads(page)["events"]] == ["recalled"]
        again = await api.post(secret)
        assert (again.status_code, again.json()["outcome"], again.json()["cursor"]) == (200, "duplicate", first)
        twice = await _recall(api, "a", recipient_id=alice)
        assert (twice.status_code, twice.json()["cursor"]) == (200, None)


@pytest.mark.parametrize(
    "name",
    ["session", "history", "stream", "read", "unread", "ws", "a/b", "é 🙂%2F?#", "x" * 128, "a\n", "a\nb", "session\n"],
)
async def test_any_id_can_be_recalled(shared: Service, name: str) -> None:
    """Also one that is called as a route is, or has to be encoded."""
    async with Api(shared) as api:
        topic = fresh("news")
        await api.publish_many([notification(topic=topic, notification_id=name)])
        assert (await _recall(api, name, topic=topic)).status_code == 200
        assert (await _recall(api, name, topic=fresh("news"))).status_code == 404


async def test_what_cannot_be_recalled_is_refused(plain: Service) -> None:
    async with Api(plain) as api:
        alice = fresh("alice")
        await api.publish(alice, notification_id="a")
        missing = await _recall(api, "b", recipient_id=alice)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        for params, field in (
            ({}, "recipient_id"),
            ({"recipient_id": alice, "topic": "x"}, "topic"),
            ({"topic": "é"}, "topic"),
        ):
            refused = await _recall(api, "a", **params)
            assert (refused.status_code, refused.json()["field"]) == (400, field)
        assert (await _recall(api, "a", recipient_id=[alice, "bob"])).status_code == 400
        assert (await _recall(api, "a", recipient_id=alice, token=plain.token(alice))).status_code == 403
        assert (await api.http.delete("/notifications/a", params={"recipient_id": alice})).status_code == 401
        assert (await api.http.get("/notifications/a", headers=bearer(api.publisher))).status_code == 404
        body = notification(alice, recall=True)
        assert (await api.post(body)).json()["field"] == "recall"


async def test_a_recipient_is_exported_and_erased(shared: Service) -> None:
    """Everything as JSON lines; then tombstones only. Open streams end as revoked, others go on; both are noted."""
    async with Api(shared) as api:
        alice, bob = fresh("alice/é"), fresh("bob")
        start = await api.head()
        batch = [notification(alice, notification_id=one, payload={"text": CANARY}) for one in ("a", "b")]
        await api.publish_many([*batch, notification(bob, payload={"text": "bob's"})])
        headers = administrator(shared)
        token = bearer(shared.token(alice))
        await api.http.post("/notifications/read", content=b'{"ids": ["a"]}', headers=token)
        path = f"/admin/recipients/{quote(alice, safe='')}"
        exported = await api.http.get(path, headers=headers)
        assert exported.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in exported.text.splitlines()]
        assert [line["kind"] for line in lines] == ["recipient", "notification", "notification", "event"]
        assert (lines[0]["recipient_id"], lines[0]["unread"]) == (alice, 1)
        assert [line["read"] for line in lines[1:3]] == [True, False]
        assert lines[1]["notification"]["payload"] == {"text": CANARY}
        async with api.stream(alice) as stream, api.stream(bob) as other:
            await stream.event("connected")
            await other.event("connected")
            erased = await api.http.delete(path, headers=headers)
            assert erased.json()["erased"] == 2
            assert (await stream.event("closing")).json()["reason"] == "revoked"
            await api.publish(bob)
            assert (await other.next()).event == "message"
        for text in ((await api.history(alice, after=start)).text, (await api.http.get(path, headers=headers)).text):
            assert CANARY not in text
        lines = [json.loads(line) for line in (await api.http.get(path, headers=headers)).text.splitlines()]
        assert {line["kind"] for line in lines[1:]} == {"tombstone"}
        assert [line["notification_id"] for line in lines[1:3]] == ["a", "b"]
        async with api.stream(alice, last_event_id=start) as stream:
            assert (await stream.event("connected")).json()["unread"] == 0
            assert (await stream.next()).event == "heartbeat"
        assert len((await api.history(bob, after=start)).json()["items"]) == 2
        audit = (await api.http.get("/admin/audit", headers=headers)).json()["items"]
        assert {"recipient.erase", "recipient.export"} <= {one["action"] for one in audit if one["target"] == alice}
        reading = bearer(shared.token(alice))
        assert (await api.http.delete(path, headers=reading)).status_code == 403
        long = quote("x" * 201)
        assert (await api.http.get(f"/admin/recipients/{long}", headers=headers)).status_code == 400


async def test_an_erasure_by_the_command_reaches_a_running_service(plain: Service) -> None:
    """It works on the database: the service finds it in the log, and its streams end within a second or so."""
    async with Api(plain) as api:
        alice = fresh("alice")
        start = await api.publish(alice, payload={"text": "first"})
        await api.publish(alice, payload={"text": CANARY})

        async def run(*arguments: str) -> str:
            command = [sys.executable, "-m", "notify_sse", "recipient", *arguments]
            done = await asyncio.to_thread(
                subprocess.run, command, env=plain.env, capture_output=True, text=True, check=True
            )
            return done.stdout

        assert CANARY in await run("export", alice)
        async with api.stream(alice) as stream:
            await stream.event("connected")
            assert json.loads(await run("erase", alice, "--json"))["erased"] == 2
            assert (await stream.event("closing")).json()["reason"] == "revoked"
        assert CANARY not in await run("export", alice)

        async def replayed() -> bool:
            async with api.stream(alice, last_event_id=start) as stream:
                await stream.event("connected")
                return (await stream.next()).event == "heartbeat"

        await eventually(replayed, what="a replay without content")
