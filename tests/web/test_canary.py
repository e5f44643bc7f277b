"""No token and no payload is ever written down: known ones go everywhere, then everything that came out is searched."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import databases
import pytest
import websockets
from websockets.asyncio.client import connect

from tests.support.amqp import publisher
from tests.support.api import STREAM, Api, bearer, notification
from tests.support.collector import Collector, collector
from tests.support.polling import eventually
from tests.support.refusals import REFUSALS, sent_with
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.streams import Listening
from tests.web.test_admin import ADMIN

CANARY = "payload-canary-5f1d"
PUBLISHED = "id-of-the-canary"
ASKED: Final = (
    f"/admin/notifications/{PUBLISHED}",
    "/admin/recipients/alice/connections",
    "/admin/overview",
    "/admin/streams",
    "/admin/settings",
    "/admin/audit",
    "/admin/revocations",
)
"""What no content belongs into, whoever asks."""
SHOWN: Final = ("/admin/recipients/alice", "/admin/dead-letters", "/admin/dead-letters/x")
"""What is there to show content, to those who may see it."""
TABLES: Final = ("journal_connections", "journal_accepted", "journal_gateways", "audit", "revocations", "tickets")


@pytest.fixture(scope="module")
def collecting() -> Iterator[Collector]:
    with collector() as running:
        yield running


class Said:
    """Everything that the service said other than what it was asked to deliver."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def note(self, answer: Any) -> None:
        self.bodies.append(answer.text + str(answer.headers))


@pytest.mark.deadline(90)
async def test_no_token_or_payload_comes_out_anywhere(
    service: ServiceFactory, on_stack: Stack, collecting: Collector
) -> None:
    """Good, bad, expired and misplaced tokens, over each way in, at log level debug: in no record, as text or as JSON,
    no metric, no span, no row of the journal, no refusal, no answer to who may not ask; and nothing of a payload
    either, be it delivered or refused.
    """
    form = "json" if on_stack else "text"
    env = {"LOG_LEVEL": "debug", "LOG_FORMAT": form, "HEARTBEAT_S": "0.2", "PUBLISH_TIMEOUT_S": "5"}
    running = await asyncio.to_thread(service, env=env, variables=collecting.variables, **on_stack)
    tokens = _tokens(running)
    said = Said()
    async with Api(running) as api:
        for token in tokens:
            await _try_over_http(api, token, said)
            await _try_over_websocket(running, token, said)
        await _publish_all_kinds(api, tokens, said)
        if "broker_url" in on_stack:
            await asyncio.to_thread(_publish_over_amqp, on_stack["broker_url"], on_stack["amqp_prefix"])
            async with api.stream("alice", last_event_id=(await api.head()).partition(".")[0] + ".0") as stream:
                await stream.event("connected")
                while (await stream.event("message")).json().get("notification_id") != "last-over-amqp":
                    pass
        said.note(await api.http.get("/metrics"))
        said.note(await api.http.get("/readyz"))
        await _ask_as_administrator(api, tokens, said)
    await asyncio.to_thread(running.terminate, within_s=15)
    _search(running.logged(), tokens, "the log")
    for body in said.bodies:
        _search(body, tokens, "an answer")
    _search(b"".join(collecting.raw).decode("latin-1"), tokens, "a span")
    assert any(PUBLISHED.encode() in one for one in collecting.raw), "no span was sent: the search proves little"
    _search(await _rows(running), tokens, "a row")
    assert "notify_sse" in running.logged()
    debug = '"level":"debug"' if form == "json" else " DEBUG "
    assert debug in running.logged().replace('": "', '":"'), "nothing at debug: the search proves little"


async def _ask_as_administrator(api: Api, tokens: list[str], said: Said) -> None:
    """Once the journal has the connections. Nobody but an administrator gets anything."""
    admin = bearer(api.service.token("ops", scope=ADMIN, ttl_s=240))

    async with api.stream("alice") as stream:  # every token that was tried was taken back by its session's end
        await stream.event("connected")

    async def told() -> bool:
        found = (await api.http.get(ASKED[1], headers=admin)).json()
        return any(one["closed_at"] for one in found["items"])

    await eventually(told, what="the journal to have a connection")
    for path in (*ASKED, *SHOWN):
        for headers in ({}, *map(bearer, tokens), {"Cookie": f"notify_sse_session={tokens[0]}"}):
            refused = await api.http.get(path, headers=headers, params={"recipient_id": "alice"})
            assert refused.status_code in (401, 403), path
            said.note(refused)
    for path in ASKED:
        answer = await api.http.get(path, headers=admin)
        assert answer.status_code == 200, answer.text
        said.note(answer)


async def _rows(service: Service) -> str:
    """All that the database has beside the log, as text."""
    url = service.env["NOTIFY_SSE_DATABASE_URL"]
    async with databases.Database(url) as database:
        found = [await database.fetch_all(f"SELECT * FROM {table}") for table in TABLES]
    tables = [str(tuple(row._mapping.values())) for rows in found for row in rows]
    assert any("sse" in row for row in tables), "no connection was kept: the search proves little"
    return "\n".join(tables)


def _tokens(service: Service) -> list[str]:
    good = service.token("alice", ttl_s=250, scope="notifications:read notifications:publish")
    header, payload, signature = good.split(".")
    return [
        good,
        service.token("alice", ttl_s=9000),
        service.token("alice", ttl_s=-5),
        service.token("alice", scope="notifications:publish", ttl_s=100),
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}",
        f"{payload}.{signature}.{header}",
        "opaque-canary-token-0123456789abcdef",
    ]


async def _try_over_http(api: Api, token: str, said: Said) -> None:
    ways: list[tuple[dict[str, str], dict[str, str]]] = [
        (bearer(token), {}),
        ({"Cookie": f"notify_sse_session={token}"}, {}),
        ({}, {"access_token": token}),
        ({"Authorization": f"Basic {token}"}, {}),
        (bearer(token), {"access_token": token, "limit": "x"}),
        ({}, {"last_event_id": token}),
        (bearer(token), {"after": token, "before": token}),
    ]
    for headers, params in ways:
        said.note(await api.http.get("/notifications/history", headers=headers, params=params))
        said.note(await api.http.head(STREAM, headers=headers, params=params))
        said.note(await api.http.get(f"/nowhere/{'x'}", headers=headers, params=params))
        said.note(await api.http.put("/notifications", headers=headers, params=params))
        said.note(await api.http.post("/notifications", headers=headers, params=params, content=b"junk"))
        said.note(await api.http.delete("/notifications/session", headers=headers, params=params))
        url = api.service.url + STREAM
        async with await Listening.open(url, headers=headers, params=params) as stream:
            if stream.stream.status == 200:
                await stream.next()
    said.note(await api.http.get("/notifications/history", params={"topics": "x", "access_token": token}))


async def _try_over_websocket(service: Service, token: str, said: Said) -> None:
    url = f"ws://127.0.0.1:{service.port}/notifications/ws"
    auth = {"type": "auth", "token": token}
    for query, headers, messages in (
        (f"?access_token={token}", {}, []),
        ("", bearer(token), []),
        ("", bearer(token), [{"token": token}, {"tokens": token}]),
        ("", {}, [auth, {"token": token}, auth]),
        ("", {}, [{"type": "auth", "tokens": token}]),
    ):
        try:
            async with connect(url + query, additional_headers=headers, close_timeout=1) as websocket:
                for message in messages:
                    await websocket.send(json.dumps(message))
                await websocket.recv()
        except websockets.ConnectionClosed as closed:
            said.bodies.append(str(closed))
        except websockets.InvalidStatus as refused:
            said.bodies.append(f"{refused.response.headers}{refused.response.body!r}")


async def _publish_all_kinds(api: Api, tokens: list[str], said: Said) -> None:
    document = notification("alice", notification_id=PUBLISHED, payload={"secret": CANARY})
    for body in (document, document, document | {"payload": {"secret": CANARY, "other": CANARY}}):
        said.note(await api.post(body))
    for refusal in REFUSALS:
        said.note(await api.post(refusal.body, headers=sent_with(refusal)))
    wrong = [
        notification("alice", payload=CANARY),
        notification("alice", payload={"n": 2**70, "text": CANARY}),
        notification("alice", payload={"text": CANARY * 2000}),
        notification("alice", payload={"token": tokens[0]}, notification_type="Not " + "ok"),
        notification("alice", payload={"text": CANARY}, timestamp="not a time"),
    ]
    for body in wrong:
        said.note(await api.post(body))


def _publish_over_amqp(broker_url: str, prefix: str) -> None:
    with publisher(broker_url, prefix) as channel:
        channel.publish(notification("alice", payload={"secret": CANARY}))
        channel.publish(notification("alice", payload=CANARY))
        channel.publish(notification("alice", payload={"secret": CANARY}), key="recipient.bob.new_message")
        for refusal in REFUSALS:
            channel.publish(
                refusal.body,
                key="recipient.alice.new_message",
                content_type=refusal.content_type,
                content_encoding=refusal.content_encoding or None,
            )
        channel.publish(notification("alice", notification_id="last-over-amqp"))


def _search(text: str, tokens: list[str], place: str) -> None:
    assert CANARY not in text, f"a payload in {place}: {_around(text, CANARY)}"
    for token in tokens:
        for part in (token, *(part for part in token.split(".") if len(part) > 40)):
            assert part not in text, f"a token in {place}: {_around(text, part)}"


def _around(text: str, found: str) -> str:
    at = text.index(found)
    return text[max(0, at - 200) : at + 300]
