"""Who may open a stream, with which token from where; and which methods the path takes."""

import asyncio
import json

import pytest

from notify_sse.errors import TokenRefused
from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.service import Service, ServiceFactory
from tests.support.streams import Listening


async def test_a_topic_that_is_not_granted_is_forbidden(plain: Service) -> None:
    """403 before the stream begins, naming the topic."""
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice, topics=["news"])
        answer = await api.http.get(STREAM, params={"topics": "news,secrets"}, headers=bearer(token))
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"
    assert "secrets" in answer.json()["detail"]


async def test_head_answers_as_get_would_and_opens_no_stream(plain: Service) -> None:
    """The status and headers of the stream, also its refusals, without a stream."""
    async with Api(plain) as api:
        answer = await api.http.head(STREAM, headers=bearer(plain.token(fresh("alice"))))
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store, no-transform"
        assert answer.content == b""
        assert (await api.http.head(STREAM)).status_code == 401
        forbidden = await api.http.head(STREAM, params={"topics": "x"}, headers=bearer(plain.token("alice")))
        assert forbidden.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_other_methods_are_405(plain: Service, method: str) -> None:
    """With `Allow`, as a problem document. (A preflight of CORS is another matter: see test_cors.)"""
    async with Api(plain) as api:
        answer = await api.http.request(method, STREAM, headers=bearer(plain.token("alice")))
    assert answer.status_code == 405
    assert {one.strip() for one in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("place", ["header", "cookie", "query"])
async def test_a_token_opens_the_stream_from_each_place(plain: Service, place: str) -> None:
    """Header, session cookie, and `access_token` for what lives at most five minutes."""
    alice = fresh("alice")
    token = plain.token(alice, ttl_s=200)
    headers = {"header": bearer(token), "cookie": {"Cookie": f"a=b; notify_sse_session={token}"}}.get(place, {})
    params = {"access_token": token} if place == "query" else {}
    async with await Listening.open(plain.url + STREAM, headers=headers, params=params) as stream:
        assert (await stream.next()).event == "connected"


@pytest.mark.parametrize("scope", ["notifications:publish", "notifications:admin", "", "notifications:readx"])
async def test_a_token_without_the_scope_may_not_read(plain: Service, scope: str) -> None:
    """403, for the stream and for the history."""
    async with Api(plain) as api:
        headers = bearer(plain.token("alice", scope=scope))
        for path in (STREAM, "/notifications/history"):
            answer = await api.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_long_lived_token_is_refused_in_the_query(plain: Service) -> None:
    """URLs get written down: 401, and it says what to do instead."""
    async with Api(plain) as api:
        answer = await api.http.get(STREAM, params={"access_token": plain.token("alice", ttl_s=3600)})
    assert answer.status_code == 401
    assert "Authorization" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer " + "a" * 20_000])
async def test_a_bad_token_is_401(plain: Service, header: str) -> None:
    """One answer for all that is wrong with a token."""
    async with Api(plain) as api:
        answer = await api.http.get(STREAM, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert json.loads(answer.text)["code"] == "unauthorized"


READ, PUBLISH = "notifications:read", "notifications:publish"
ROUTES: list[tuple[str, str, set[str], int]] = [
    ("HEAD", STREAM, {"header", "cookie", "query"}, 200),
    ("GET", "/notifications/history", {"header", "cookie", "query"}, 200),
    ("POST", "/notifications", {"header"}, 201),
    ("POST", "/notifications/session", {"header"}, 200),
]


@pytest.mark.parametrize("way", ["header", "cookie", "query"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route[:2]))
async def test_each_route_takes_a_token_by_its_ways_only(
    plain: Service, route: tuple[str, str, set[str], int], way: str
) -> None:
    """A token in the query reads, and does nothing else: URLs are written down and sent on. What publishes takes the
    header only, which a browser never sends by itself.
    """
    method, path, ways, status = route
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice, scope=f"{READ} {PUBLISH}", ttl_s=200)
        headers = {"header": bearer(token), "cookie": {"Cookie": f"notify_sse_session={token}"}}.get(way, {})
        params = {"access_token": token} if way == "query" else {}
        body = notification(alice) if path == "/notifications" else None
        answer = await api.http.request(method, path, headers=headers, params=params, json=body)
        assert answer.status_code == (status if way in ways else 401)
        if path == "/notifications":
            stored = (await api.history(alice)).json()["items"]
            assert len(stored) == (1 if way in ways else 0)


@pytest.mark.parametrize(("way", "ends"), [("header", True), ("cookie", True), ("query", False)])
async def test_a_session_is_not_ended_by_a_link(plain: Service, way: str, ends: bool) -> None:
    """204 in any case; with a token in the query, nothing was ended."""
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice, ttl_s=200)
        headers = {"header": bearer(token), "cookie": {"Cookie": f"notify_sse_session={token}"}}.get(way, {})
        params = {"access_token": token} if way == "query" else {}
        async with api.stream(alice, token=token) as stream:
            await stream.event("connected")
            assert (await api.http.delete("/notifications/session", headers=headers, params=params)).status_code == 204
            await api.publish(alice)
            await stream.event("closing" if ends else "message")


async def test_refused_tokens_are_counted_by_reason(service: ServiceFactory) -> None:
    """Each known reason is there with 0 from the start, and none has anything of the token in it."""
    running = await asyncio.to_thread(service)
    async with Api(running) as api:
        for reason in TokenRefused.REASONS:
            assert await api.metric(f'notify_sse_token_refused_total{{reason="{reason}"}}') == 0
        assert "notify_sse_token_refused_total" in (await api.http.get("/metrics")).text
        for headers in ({}, bearer("x.y.z"), bearer(running.token("alice", ttl_s=-5))):
            await api.http.get("/notifications/history", headers=headers)
        for reason in ("missing", "malformed", "expired"):
            assert await api.metric(f'notify_sse_token_refused_total{{reason="{reason}"}}') == 1
    assert "tokens refused" in running.logged()
