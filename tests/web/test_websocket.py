"""`GET /notifications/ws`: the same stream in JSON text frames, with the `websockets` package as client."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, Protocol

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.web.conftest import HEARTBEAT_S, ORIGIN
from tests.web.test_stream import ADVERSARIAL_TEXTS

WAIT_S = 10.0
PATH = "/notifications/ws"
BROWSER = {"Origin": ORIGIN}
"""A page cannot read why its handshake was refused: it is accepted, and closed with a code."""


class Opener(Protocol):
    """The `opened` fixture: a WebSocket with a bearer token, unless other `headers` are given."""

    def __call__(
        self,
        service: Service,
        recipient: str = "",
        *,
        query: str = "",
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[ClientConnection]: ...


WAYS: Final[dict[str, dict[str, str]]] = {"door": {}, "hypercorn": {"Content-Length": "0"}}
"""An empty body is Hypercorn's to read: it finds the handshake, and gives the socket back to the door."""


@pytest.fixture(params=WAYS)
def opened(request: pytest.FixtureRequest) -> Opener:
    """Opens WebSockets in each way that a handshake may come."""
    return _opener(request.param)


def _opener(way: str) -> Opener:
    @asynccontextmanager
    async def opening(
        service: Service,
        recipient: str = "",
        *,
        query: str = "",
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[ClientConnection]:
        if headers is None:
            headers = bearer(token or service.token(recipient))
        url = f"ws://127.0.0.1:{service.port}{PATH}{query}"
        async with connect(url, additional_headers={**headers, **WAYS[way]}, close_timeout=1) as websocket:
            yield websocket

    return opening


async def _refused(opening: AbstractAsyncContextManager[ClientConnection]) -> tuple[int, str]:
    """The status and the code with which a handshake is refused. Its connection is closed."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with opening:
            pass
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Connection"] == "close"
    code: str = json.loads(response.body)["code"]
    return response.status_code, code


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


async def test_the_frames_are_those_of_the_stream(shared: Service, opened: Opener) -> None:
    """connected, notifications, heartbeats: the same cursors and data, `{"id", "event", "data"}`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        head = await api.head()
        async with opened(shared, alice) as websocket, api.stream(alice) as stream:
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


async def test_it_resumes_from_a_cursor_as_the_stream_does(shared: Service, opened: Opener) -> None:
    """The cursor in the query; replay, then live; a foreign one is a `reset`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        missed = await api.publish_many([notification(alice, payload={"n": n}) for n in range(30)])
        async with opened(shared, alice, query=f"?last_event_id={start}") as websocket:
            assert (await _event(websocket, "connected"))["id"] == start
            assert [(await _event(websocket, "message"))["id"] for _ in missed] == missed
        async with opened(shared, alice, query="?last_event_id=junk") as websocket:
            assert "id" not in await _event(websocket, "connected")
            reset = await _event(websocket, "reset")
            assert reset["data"]["reason"] == "unknown_epoch"
            assert reset["id"] == missed[-1]


async def test_hostile_text_arrives_unharmed(shared: Service, opened: Opener) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        async with opened(shared, alice) as websocket:
            await _event(websocket, "connected")
            for text in ADVERSARIAL_TEXTS:
                await api.publish(alice, payload={text: text})
                assert (await _event(websocket, "message"))["data"]["payload"] == {text: text}


@pytest.mark.parametrize("place", ["header", "cookie", "query", "frame"])
async def test_a_token_is_taken_from_each_place(plain: Service, place: str, opened: Opener) -> None:
    """Header, session cookie, query, or a first frame for browsers, which can set neither header nor query safely."""
    async with Api(plain) as api:
        alice, token = fresh("alice"), ""
        token = plain.token(alice, ttl_s=200)
        missed_from = await api.head()
        missed = await api.publish(alice)
        headers = {"header": bearer(token), "cookie": {"Cookie": f"notify_sse_session={token}"}}.get(place, {})
        query = f"?last_event_id={missed_from}"
        query = {"query": f"{query}&access_token={token}", "frame": ""}.get(place, query)
        async with opened(plain, query=query, headers=headers) as websocket:
            if place == "frame":
                await websocket.send(json.dumps({"type": "auth", "token": token, "last_event_id": missed_from}))
            await _event(websocket, "connected")
            assert (await _event(websocket, "message"))["id"] == missed


async def test_ping_is_answered_with_pong(plain: Service, opened: Opener) -> None:
    """For scripts, which cannot see the protocol's own pings; those are answered too."""
    async with opened(plain, fresh("alice")) as websocket:
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
async def test_a_first_frame_that_is_no_token_ends_it(
    plain: Service, frame: str | bytes, code: int, opened: Opener
) -> None:
    async with opened(plain, headers={}) as websocket:
        await websocket.send(frame)
        assert await _closed(websocket) == code


async def test_without_a_first_frame_it_is_ended_in_time(plain: Service) -> None:
    """A connection without a token is not kept: 4408 after five seconds, in either way."""

    async def closed(way: str) -> int:
        async with _opener(way)(plain, headers={}) as websocket:
            return await _closed(websocket)

    assert await asyncio.gather(*map(closed, WAYS)) == [4408, 4408]


BAD = "x.y.z"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        (bearer(BAD), ""),
        (bearer(BAD) | BROWSER, ""),
        ({"Cookie": f"notify_sse_session={BAD}"}, ""),
        ({}, f"?access_token={BAD}"),
        ({}, "?access_token=a&access_token=b"),
    ],
    ids=repr,
)
async def test_a_program_with_a_bad_token_is_refused_before_the_handshake(
    plain: Service, headers: dict[str, str], query: str, opened: Opener
) -> None:
    """401: else it opens, is closed, and opens again, as fast as it can."""
    assert await _refused(opened(plain, headers=headers, query=query)) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Cookie": f"notify_sse_session={BAD}"}, ""),
        ({}, f"?access_token={BAD}"),
        ({}, "?access_token=a&access_token=b"),
    ],
    ids=repr,
)
async def test_a_page_with_a_bad_token_is_told_4401(
    plain: Service, headers: dict[str, str], query: str, opened: Opener
) -> None:
    """It could not read a status. Two tokens are not taken for none, and waited for."""
    async with opened(plain, headers=headers | BROWSER, query=query) as websocket:
        assert await _closed(websocket) == 4401


async def test_a_topic_or_scope_that_is_not_granted_is_403_or_4403(plain: Service, opened: Opener) -> None:
    assert await _refused(opened(plain, "alice", query="?topics=secrets")) == (403, "forbidden")
    publishes = plain.token("alice", scope="notifications:publish", ttl_s=100)
    assert await _refused(opened(plain, token=publishes)) == (403, "forbidden")
    async with opened(plain, headers=BROWSER, query=f"?access_token={publishes}") as websocket:
        assert await _closed(websocket) == 4403


@pytest.mark.parametrize("site", [{}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_another_sites_page_cannot_listen_with_the_cookie(
    plain: Service, site: dict[str, str], opened: Opener
) -> None:
    """No CORS holds a WebSocket back, and Chromium tells nothing there but the `Origin`: the cookie is taken from our
    own page and from a listed one. A script without a browser sends none.
    """
    cookie = {"Cookie": f"notify_sse_session={plain.token('alice')}"} | site
    for foreign in ("https://sibling.example.org", "null", f"https://127.0.0.1:{plain.port + 1}"):
        async with opened(plain, headers=cookie | {"Origin": foreign}) as websocket:
            assert await _closed(websocket) == 4401
    async with opened(plain, headers=cookie | {"Origin": ORIGIN}) as websocket:
        await _event(websocket, "connected")
    if site != {"Sec-Fetch-Site": "same-site"}:
        async with opened(plain, headers=cookie | {"Origin": plain.url}) as websocket:
            await _event(websocket, "connected")
        async with opened(plain, headers=cookie) as websocket:
            await _event(websocket, "connected")


async def test_a_token_of_its_own_works_from_any_page(plain: Service, opened: Opener) -> None:
    """Only the cookie is sent by a browser for whoever asks."""
    headers = {"Origin": "https://sibling.example.org"}
    query = f"?access_token={plain.token('alice', ttl_s=100)}"
    async with opened(plain, headers=headers, query=query) as websocket:
        await _event(websocket, "connected")


@pytest.mark.parametrize("frame", ["junk", '{"type":"auth"}', '{"type":"auth","token":"x.y.z"}', b"\x00"])
async def test_a_bad_frame_later_ends_it_with_4400(plain: Service, frame: str | bytes, opened: Opener) -> None:
    async with opened(plain, fresh("alice")) as websocket:
        await _event(websocket, "connected")
        await websocket.send(frame)
        assert await _closed(websocket) == 4400


async def test_it_ends_with_its_token_as_4001(plain: Service, opened: Opener) -> None:
    """`expiring`, `closing` with its reason, then the close frame."""
    alice = fresh("alice")
    async with opened(plain, token=plain.token(alice, ttl_s=2)) as websocket:
        await _event(websocket, "connected")
        assert (await _event(websocket, "expiring"))["data"]["expires_in_s"] < 2
        closing = await _event(websocket, "closing")
        assert closing["data"]["reason"] == "token_expired"
        assert closing["data"]["retry_ms"] > 0
        assert await _closed(websocket) == 4001


async def test_it_ends_with_its_session_as_4002(plain: Service, opened: Opener) -> None:
    async with Api(plain) as api:
        token = plain.token(fresh("alice"))
        async with opened(plain, token=token) as websocket:
            await _event(websocket, "connected")
            await api.http.delete("/notifications/session", headers=bearer(token))
            assert (await _event(websocket, "closing"))["data"]["reason"] == "revoked"
            assert await _closed(websocket) == 4002


async def test_limits_count_all_transports_together(service: ServiceFactory, opened: Opener) -> None:
    """Over the recipient's limit the oldest is replaced (4003), over the process's the newest is refused (1013)."""
    limits = {"MAX_STREAMS_PER_RECIPIENT": "2", "MAX_STREAMS": "3", "CORS_ORIGINS": ORIGIN}
    running = await asyncio.to_thread(service, env=limits)
    async with Api(running) as api, opened(running, "alice") as oldest, api.stream("alice") as stream:
        await _event(oldest, "connected")
        await stream.event("connected")
        async with opened(running, "alice") as newest:
            await _event(newest, "connected")
            assert (await _event(oldest, "closing"))["data"]["reason"] == "replaced"
            assert await _closed(oldest) == 4003
            async with api.stream("bob") as bob:
                await bob.event("connected")
                assert await _refused(opened(running, "bob")) == (503, "overloaded")
                token = running.token("bob", ttl_s=100)
                async with opened(running, headers=BROWSER, query=f"?access_token={token}") as refused:
                    busy = await _event(refused, "closing")
                    assert busy == {
                        "event": "closing",
                        "data": {"reason": "busy", "retry_ms": busy["data"]["retry_ms"]},
                    }
                    assert 2000 <= busy["data"]["retry_ms"] <= 10_000
                    assert await _closed(refused) == 1013


async def test_a_drain_ends_it_as_1012(service: ServiceFactory) -> None:
    """Service Restart: come back, elsewhere or later. Nobody is needed for that: no ERROR, no traceback."""
    running = await asyncio.to_thread(service, env={"DRAIN_S": "2"})
    door, hypercorn = (_opener(way)(running, "alice") for way in WAYS)
    async with door as first, hypercorn as second, _opener("door")(running, headers={}) as waiting:
        for websocket in (first, second):
            await _event(websocket, "connected")
        running.terminate()
        for websocket in (first, second):
            assert (await _event(websocket, "closing"))["data"]["reason"] == "drain"
            assert await _closed(websocket) == 1012
        await asyncio.to_thread(running.terminate, within_s=30)
        with pytest.raises(websockets.ConnectionClosed):
            await waiting.recv()
    assert "stopped action=stop exit_code=0" in running.logged()
    assert "Traceback" not in running.logged()
    assert " ERROR " not in running.logged()


async def test_who_leaves_is_let_go(plain: Service, opened: Opener) -> None:
    """Closed properly or cut: the gauge of open streams goes back."""
    async with Api(plain) as api:
        before = await api.metric("notify_sse_streams")
        for cut in (False, True):
            async with opened(plain, fresh("alice")) as websocket:
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


@pytest.mark.parametrize("renewed", [True, False])
async def test_a_new_token_goes_on_where_the_old_one_ends(plain: Service, opened: Opener, renewed: bool) -> None:
    """`{"token": ...}` at any time, of the same `sub`; without one the stream ends. The end of a session ends what its
    token carries now, not what it opened.
    """
    async with Api(plain) as api:
        alice = fresh("alice")
        newer = plain.token(alice, ttl_s=1000)
        async with opened(plain, token=plain.token(alice, ttl_s=1.5)) as websocket:
            await _event(websocket, "connected")
            if not renewed:
                await _event(websocket, "expiring")
                assert (await _event(websocket, "closing"))["data"]["reason"] == "token_expired"
                return
            await websocket.send(json.dumps({"token": newer}))
            for _ in range(4):
                await _event(websocket, "heartbeat")
            cursor = await api.publish(alice)
            assert (await _event(websocket, "message"))["id"] == cursor
            await api.http.delete("/notifications/session", headers=bearer(newer))
            assert (await _event(websocket, "closing"))["data"]["reason"] == "revoked"
            assert await _closed(websocket) == 4002


async def test_a_new_token_may_end_sooner(plain: Service, opened: Opener) -> None:
    """Its end is the stream's, and is told before."""
    alice = fresh("alice")
    async with opened(plain, alice) as websocket:
        await _event(websocket, "connected")
        await websocket.send(json.dumps({"token": plain.token(alice, ttl_s=1)}))
        assert (await _event(websocket, "expiring"))["data"]["expires_in_s"] < 1
        assert await _closed(websocket) == 4001


@pytest.mark.parametrize(
    ("sub", "scope", "code"),
    [
        ("", None, 4401),
        ("mallory", None, 4403),
        ("alice", "notifications:publish", 4403),
        ("alice", "notifications:read", 4403),
    ],
    ids=["bad", "another's", "no scope", "no topic"],
)
async def test_a_new_token_must_grant_what_is_read(
    plain: Service, opened: Opener, sub: str, scope: str | None, code: int
) -> None:
    """Whatever it lacks ends the stream: it would go on with what it does not allow."""
    first = plain.token("alice", topics=["news"])
    async with opened(plain, token=first, query="?topics=news") as websocket:
        await _event(websocket, "connected")
        await websocket.send(json.dumps({"token": plain.token(sub, scope=scope) if sub else BAD}))
        assert await _closed(websocket) == code
