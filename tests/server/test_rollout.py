"""The rollout as clients meet it: one way for each recipient, told before, changed while streams are open."""

import asyncio
import json
import sys
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import httpx
import pytest
import websockets

from notify_sse.core.rollout import RolloutChange
from notify_sse.store import open_rollout_records
from tests.server.in_process import running
from tests.support.api import Api, bearer
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, Stack

ALLOWED = {"ROLLOUT_PERCENT": "0", "ROLLOUT_ALLOW": "alice, bob", "ROLLOUT_DENY": "bob", "POLL_AFTER_S": "3"}
EVENTS = {"Accept": "text/event-stream"}


async def _stream(api: Api, recipient: str, *, fresh: bool, headers: dict[str, str] = EVENTS) -> httpx.Response:
    """The answer to a stream, on a connection of its own (the door's) or after another request (the server's)."""
    async with httpx.AsyncClient(base_url=api.service.url, verify=False) as http:
        if not fresh:
            await http.get("/healthz")
        return await http.get("/notifications/stream", headers=bearer(api.service.token(recipient)) | headers)


@pytest.mark.parametrize("fresh", [True, False], ids=["door", "server"])
async def test_who_has_no_streams_is_told_in_the_form_that_it_understands(tmp_path: Path, fresh: bool) -> None:
    """204 ends an EventSource for good; everybody else gets a reason with a code. Polling works as before."""
    async with running(tmp_path, **ALLOWED) as service, Api(service) as api:
        for recipient in ("bob", "carol"):
            refused = await _stream(api, recipient, fresh=fresh)
            assert (refused.status_code, refused.content) == (204, b"")
            assert refused.headers["connection"] == "close"
            assert "transfer-encoding" not in refused.headers, "RFC 9112, 6.1: no body, and none is announced"
            told = await _stream(api, recipient, fresh=fresh, headers={"Accept": "*/*"})
            assert (told.status_code, told.json()["code"]) == (403, "not_enabled")
            first = await api.publish(recipient)
            assert [item["cursor"] for item in (await api.history(recipient)).json()["items"]] == [first]
        async with api.stream("alice") as stream:
            assert (await stream.event("connected")).json()["recipient_id"] == "alice"


async def test_a_websocket_is_told_too(tmp_path: Path) -> None:
    async with running(tmp_path, **ALLOWED) as service:
        url = f"{service.url.replace('http', 'ws')}/notifications/ws?access_token={service.token('carol', ttl_s=60)}"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, proxy=None)
        assert refused.value.response.status_code == 403
        assert b'"code":"not_enabled"' in refused.value.response.body
        page = {"Origin": service.url}  # which can read no status
        async with websockets.connect(url, proxy=None, additional_headers=page) as socket:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4404, "not_enabled")


async def test_a_client_can_ask_beforehand(tmp_path: Path) -> None:
    """With any token that reads; without one, nothing is told."""
    async with running(tmp_path, **ALLOWED) as service, Api(service) as api:
        for recipient, expected in (("alice", "stream"), ("bob", "poll"), ("carol", "poll")):
            answer = await api.http.get("/notifications/transport", headers=bearer(service.token(recipient)))
            assert answer.json() == {"transport": expected, "poll_after_s": 3}
            assert answer.headers["cache-control"] == "no-store"
        assert (await api.http.get("/notifications/transport")).status_code == 401
        publisher = bearer(service.token("x", scope="notifications:publish"))
        assert (await api.http.get("/notifications/transport", headers=publisher)).status_code == 403


async def test_a_change_reaches_open_streams_and_nothing_is_lost_between_the_ways(tmp_path: Path) -> None:
    """0 % ends them, and the cursor of the stream goes on in the history; 100 % lets them in again, with the cursor
    of the history. The `rollout` of the database wins over the settings.
    """
    async with running(tmp_path) as service, Api(service) as api:
        records = open_rollout_records(service.env["NOTIFY_SSE_DATABASE_URL"])
        async with api.stream("alice") as stream, api.stream("dave") as kept:
            await stream.event("connected")
            await kept.event("connected")
            first = await api.publish("alice")
            assert (await stream.event("message")).id == first
            await records.write(RolloutChange(percent=0, allow=("dave",)))
            assert (await stream.event("closing")).json()["reason"] == "drain"
            await stream.end()
            second = await api.publish("alice")
            polled = (await api.history("alice", after=stream.cursor)).json()
            assert [item["cursor"] for item in polled["items"]] == [second]
            assert (await _stream(api, "alice", fresh=True)).status_code == 204
            last = await api.publish("dave")
            assert (await kept.event("message")).id == last
        await records.write(RolloutChange(percent=100))
        await records.close()

        async def enabled() -> bool:
            answer = await api.http.get("/notifications/transport", headers=bearer(service.token("alice")))
            return bool(answer.json()["transport"] == "stream")

        await eventually(enabled, what="streams for alice", within_s=30)
        third = await api.publish("alice")
        async with api.stream("alice", last_event_id=polled["cursor"]) as stream:
            await stream.event("connected")
            assert (await stream.event("message")).id == third


async def test_the_command_changes_every_gateway_without_the_broker(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """`notify-sse rollout` writes to the database; what it prints is what holds."""
    stack: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    one, other = [await asyncio.to_thread(service, env={"ROLLOUT_DENY": "bob"}, **stack) for _ in range(2)]
    said = await _command(one, "--percent", "25", "--allow", "alice", "--json", broker_url="amqp://nobody@127.0.0.1:1/")
    assert json.loads(said) == {"percent": 25, "allow": ["alice"], "deny": ["bob"]}
    async with Api(one) as first, Api(other) as second:

        async def followed(api: Api, recipient: str, expected: str) -> bool:
            headers = bearer(api.service.token(recipient))
            return bool(
                (await api.http.get("/notifications/transport", headers=headers)).json()["transport"] == expected
            )

        await _command(one, "--percent", "0")
        for api in (first, second):
            await eventually(partial(followed, api, "carol", "poll"), what="0 %", within_s=10)
            assert await followed(api, "alice", "stream")
        assert "(as the settings say)" in await _command(one, "--reset")
        for api in (first, second):
            await eventually(partial(followed, api, "carol", "stream"), what="the settings", within_s=10)
            assert await followed(api, "bob", "poll")


async def _command(running_service: Service, *arguments: str, **changed: str) -> str:
    env = running_service.env | {f"NOTIFY_SSE_{name.upper()}": value for name, value in changed.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "notify_sse", "rollout", *arguments),
        env=env,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_polling_answers_say_since_when_they_are_deprecated_and_when_they_end(tmp_path: Path) -> None:
    """RFC 9745 and RFC 8594; not when reading back, which stays. A page of another origin may read them."""
    env = {
        "POLLING_DEPRECATED_AT": "2027-01-01T01:00:00+01:00",
        "POLLING_SUNSET_AT": "2027-06-30",
        "CORS_ORIGINS": "https://app.example.org",
    }
    async with running(tmp_path, **env) as service, Api(service) as api:
        headers = bearer(service.token("alice")) | {"Origin": "https://app.example.org"}
        for params in ({}, {"wait": "0.01"}, {"after": "x.1"}):
            polled = await api.http.get("/notifications/history", params=params, headers=headers)
            assert polled.headers["deprecation"] == "@1798761600"
            assert polled.headers["sunset"] == "Wed, 30 Jun 2027 00:00:00 GMT"
            assert parsedate_to_datetime(polled.headers["sunset"]).year == 2027
            assert '</notifications/stream>; rel="successor-version"' in polled.headers["link"]
            assert {'rel="deprecation"', 'rel="sunset"'} <= set(polled.headers["link"].replace(",", ";").split("; "))
            assert {"Deprecation", "Sunset", "Link"} <= set(polled.headers["access-control-expose-headers"].split(", "))
        back = await api.http.get("/notifications/history", params={"order": "desc"}, headers=headers)
        assert not {"deprecation", "sunset", "link"} & set(back.headers)


async def test_the_metric_of_adoption_counts_recipients_by_way(tmp_path: Path) -> None:
    """Each once, however often it comes."""
    async with running(tmp_path) as service, Api(service) as api:
        for recipient in ("alice", "bob", "alice"):
            async with api.stream(recipient) as stream:
                await stream.event("connected")
            await api.history("carol")
            await api.history("dave", order="desc")
        assert await api.metric('notify_sse_recipients_seen{way="stream"}') == 2
        assert await api.metric('notify_sse_recipients_seen{way="poll"}') == 1
