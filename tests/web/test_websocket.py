"""`GET /notifications/ws`: the same stream in JSON text frames, with the `websockets` package as client."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.web.conftest import HEARTBEAT_S, ORIGIN
from tests.web.test_stream import ADVERSARIAL_TEXTS

WAIT_S = 10.0


@asynccontextmanager
async def _open(
    service: Service, recipient: str = "", *, query: str = "", token: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    """A WebSocket with a bearer token, unless other `headers` are given."""
    if headers is None:
        headers = bearer(token or service.token(recipient))
    url = f"ws://127.0.0.1:{service.port}/notifications/ws{query}"
    async with connect(url, additional_headers=dict(headers), close_timeout=1) as websocket:
        yield websocket


async def _frame(websocket: ClientConnection) -> dict[str, Any]:
    """The next frame; every one is a text frame with a JSON object."""
    async with asyncio.timeout(WAIT_S):
        data = await websocket.recv()
    assert isinstance(data, str)
    frame: dict[str, Any] = json.loads(data)
    return frame


async def _event(websocket: ClientConnection, name: str) -> dict[str, Any]:
    """The next frame of that event; heartbeats before it are passed over."""
    while (frame := await _frame(websocket))["event"] == "heartbeat" != name:
        pass
    assert frame["event"] == name, frame
    return frame


async def _closed(websocket: ClientConnection) -> int:
    """Wait for the close frame; returns its code. What comes before it is passed over."""
    with suppress(websockets.ConnectionClosed):
        while True:
            await _frame(websocket)
    assert websocket.close_code is not None
    return websocket.close_code


async def test_the_frames_are_those_of_the_stream(shared: Service) -> None:
    """connected, notifications, heartbeats: the same cursors and data, `{"id", "event", "data"}`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        head = await api.head()
        async with _open(shared, alice) as websocket, api.stream(alice) as stream:
            connected = await _event(websocket, "connected")
            assert connected.keys() == {"id", "event", "data"}
            assert connected["id"] == connected["data"]["cursor"] == head
            assert connected["data"]["heartbeat_s"] == HEARTBEAT_S
            assert connected["data"]["recipient_id"] == alice
            await stream.event("connected")
            cursor = await api.publish(alice, payload={"n": 1})
            message = await _event(websocket, "message")
            assert message == {"id": cursor, "event": "message", "data": (await stream.event("message")).json()}
            beat = await _event(websocket, "heartbeat")
            assert beat == {"id": cursor, "event": "heartbeat", "data": {"cursor": cursor}}


async def test_it_resumes_from_a_cursor_as_the_stream_does(shared: Service) -> None:
    """The cursor in the query; replay, then live; a foreign one is a `reset`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        missed = await api.publish_many([notification(alice, payload={"n": n}) for n in range(30)])
        async with _open(shared, alice, query=f"?last_event_id={start}") as websocket:
            assert (await _event(websocket, "connected"))["id"] == start
            assert [(await _event(websocket, "message"))["id"] for _ in missed] == missed
        async with _open(shared, alice, query="?last_event_id=junk") as websocket:
            assert "id" not in await _event(websocket, "connected")
            reset = await _event(websocket, "reset")
            assert reset["data"]["reason"] == "unknown_epoch"
            assert reset["id"] == missed[-1]


async def test_hostile_text_arrives_unharmed(shared: Service) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        async with _open(shared, alice) as websocket:
            await _event(websocket, "connected")
            for text in ADVERSARIAL_TEXTS:
                await api.publish(alice, payload={text: text})
                assert (await _event(websocket, "message"))["data"]["payload"] == {text: text}


@pytest.mark.parametrize("place", ["header", "cookie", "query", "frame"])
async def test_a_token_is_taken_from_each_place(plain: Service, place: str) -> None:
    """Header, session cookie, query, or a first frame for browsers, which can set neither header nor query safely."""
    async with Api(plain) as api:
        alice, token = fresh("alice"), ""
        token = plain.token(alice, ttl_s=200)
        missed_from = await api.head()
        missed = await api.publish(alice)
        headers = {"header": bearer(token), "cookie": {"Cookie": f"notify_sse_session={token}"}}.get(place, {})
        query = f"?last_event_id={missed_from}"
        query = {"query": f"{query}&access_token={token}", "frame": ""}.get(place, query)
        async with _open(plain, query=query, headers=headers) as websocket:
            if place == "frame":
                await websocket.send(json.dumps({"type": "auth", "token": token, "last_event_id": missed_from}))
            await _event(websocket, "connected")
            assert (await _event(websocket, "message"))["id"] == missed


async def test_ping_is_answered_with_pong(plain: Service) -> None:
    """For scripts, which cannot see the protocol's own pings; those are answered too."""
    async with _open(plain, fresh("alice")) as websocket:
        await _event(websocket, "connected")
        await websocket.send('{"type":"ping"}')
        assert (await _event(websocket, "pong")) == {"event": "pong"}
        async with asyncio.timeout(WAIT_S):
            await (await websocket.ping())


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("hello", 4400),
        ("{}", 4400),
        ('{"type":"subscribe"}', 4400),
        ("[" * 10_000, 4400),
        (b"\xff\xfe", 4400),
        ('{"type":"auth","token":7}', 4400),
        ('{"type":"ping"}', 4401),
        ('{"type":"auth","token":"x.y.z"}', 4401),
        ('{"type":"auth","token":""}', 4401),
    ],
)
async def test_a_first_frame_that_is_no_token_ends_it(plain: Service, frame: str | bytes, code: int) -> None:
    async with _open(plain, headers={}) as websocket:
        await websocket.send(frame)
        assert await _closed(websocket) == code


async def test_without_a_first_frame_it_is_ended_in_time(plain: Service) -> None:
    """A connection without a token is not kept: 4408 after five seconds."""
    async with _open(plain, headers={}) as websocket:
        assert await _closed(websocket) == 4408


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"Authorization": "Bearer x.y.z"}, 4401), ({"Cookie": "notify_sse_session=x.y.z"}, 4401)],
)
async def test_a_bad_token_is_4401(plain: Service, headers: dict[str, str], code: int) -> None:
    async with _open(plain, headers=headers) as websocket:
        assert await _closed(websocket) == code


async def test_two_tokens_are_4401_at_once(plain: Service) -> None:
    """Not taken for none, and waited for."""
    async with _open(plain, query="?access_token=a&access_token=b", headers={}) as websocket:
        assert await _closed(websocket) == 4401


async def test_a_topic_or_scope_that_is_not_granted_is_4403(plain: Service) -> None:
    async with _open(plain, "alice", query="?topics=secrets") as websocket:
        assert await _closed(websocket) == 4403
    async with _open(plain, token=plain.token("alice", scope="notifications:publish")) as websocket:
        assert await _closed(websocket) == 4403


@pytest.mark.parametrize("site", [{}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_another_sites_page_cannot_listen_with_the_cookie(plain: Service, site: dict[str, str]) -> None:
    """No CORS holds a WebSocket back, and Chromium tells nothing there but the `Origin`: the cookie is taken from our
    own page and from a listed one. A script without a browser sends none.
    """
    cookie = {"Cookie": f"notify_sse_session={plain.token('alice')}"} | site
    for foreign in ("https://sibling.example.org", "null", f"https://127.0.0.1:{plain.port + 1}"):
        async with _open(plain, headers=cookie | {"Origin": foreign}) as websocket:
            assert await _closed(websocket) == 4401
    async with _open(plain, headers=cookie | {"Origin": ORIGIN}) as websocket:
        await _event(websocket, "connected")
    if site != {"Sec-Fetch-Site": "same-site"}:
        async with _open(plain, headers=cookie | {"Origin": plain.url}) as websocket:
            await _event(websocket, "connected")
        async with _open(plain, headers=cookie) as websocket:
            await _event(websocket, "connected")


async def test_a_token_of_its_own_works_from_any_page(plain: Service) -> None:
    """Only the cookie is sent by a browser for whoever asks."""
    headers = {"Origin": "https://sibling.example.org"}
    query = f"?access_token={plain.token('alice', ttl_s=100)}"
    async with _open(plain, headers=headers, query=query) as websocket:
        await _event(websocket, "connected")


@pytest.mark.parametrize("frame", ["junk", '{"type":"auth"}', '{"type":"auth","token":"x.y.z"}', b"\x00"])
async def test_a_bad_frame_later_ends_it_with_4400(plain: Service, frame: str | bytes) -> None:
    async with _open(plain, fresh("alice")) as websocket:
        await _event(websocket, "connected")
        await websocket.send(frame)
        assert await _closed(websocket) == 4400


async def test_it_ends_with_its_token_as_4001(plain: Service) -> None:
    """`expiring`, `closing` with its reason, then the close frame."""
    alice = fresh("alice")
    async with _open(plain, token=plain.token(alice, ttl_s=2)) as websocket:
        await _event(websocket, "connected")
        assert (await _event(websocket, "expiring"))["data"]["expires_in_s"] < 2
        closing = await _event(websocket, "closing")
        assert closing["data"]["reason"] == "token_expired"
        assert closing["data"]["retry_ms"] > 0
        assert await _closed(websocket) == 4001


async def test_it_ends_with_its_session_as_4002(plain: Service) -> None:
    async with Api(plain) as api:
        token = plain.token(fresh("alice"))
        async with _open(plain, token=token) as websocket:
            await _event(websocket, "connected")
            await api.http.delete("/notifications/session", headers=bearer(token))
            assert (await _event(websocket, "closing"))["data"]["reason"] == "revoked"
            assert await _closed(websocket) == 4002


async def test_limits_count_all_transports_together(service: ServiceFactory) -> None:
    """Over the recipient's limit the oldest is replaced (4003), over the process's the newest is refused (1013)."""
    running = await asyncio.to_thread(service, env={"MAX_STREAMS_PER_RECIPIENT": "2", "MAX_STREAMS": "3"})
    async with Api(running) as api, _open(running, "alice") as oldest, api.stream("alice") as stream:
        await _event(oldest, "connected")
        await stream.event("connected")
        async with _open(running, "alice") as newest:
            await _event(newest, "connected")
            assert (await _event(oldest, "closing"))["data"]["reason"] == "replaced"
            assert await _closed(oldest) == 4003
            async with api.stream("bob") as bob:
                await bob.event("connected")
                async with _open(running, "bob") as refused:
                    busy = await _event(refused, "closing")
                    assert busy == {
                        "event": "closing",
                        "data": {"reason": "busy", "retry_ms": busy["data"]["retry_ms"]},
                    }
                    assert 2000 <= busy["data"]["retry_ms"] <= 10_000
                    assert await _closed(refused) == 1013


async def test_a_drain_ends_it_as_1012(service: ServiceFactory) -> None:
    """Service Restart: come back, elsewhere or later."""
    running = await asyncio.to_thread(service, env={"DRAIN_S": "3"})
    async with _open(running, "alice") as websocket:
        await _event(websocket, "connected")
        running.terminate()
        assert (await _event(websocket, "closing"))["data"]["reason"] == "drain"
        assert await _closed(websocket) == 1012


async def test_who_leaves_is_let_go(plain: Service) -> None:
    """Closed properly or cut: the gauge of open streams goes back."""
    async with Api(plain) as api:
        before = await api.metric("notify_sse_streams")
        for cut in (False, True):
            async with _open(plain, fresh("alice")) as websocket:
                await _event(websocket, "connected")
                assert await api.metric("notify_sse_streams") == before + 1
                if cut:
                    websocket.transport.abort()

            async def let_go() -> bool:
                return await api.metric("notify_sse_streams") == before

            await eventually(let_go, what="the WebSocket to be let go")


async def test_a_plain_get_is_told_to_upgrade(plain: Service) -> None:
    """Not a stream over HTTP: a clear refusal, and no hanging request."""
    async with Api(plain) as api:
        answer = await api.http.get("/notifications/ws", headers=bearer(plain.token("alice")))
        posted = await api.http.post("/notifications/ws")
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.json()["code"] == "upgrade_required"
    assert posted.status_code == 405
