"""Who may open a stream, with which token from where; and which methods the path takes."""

import json

import pytest

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.service import Service
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
