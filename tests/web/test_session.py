"""`POST` and `DELETE /notifications/session`: a token in a cookie that no script can read."""

import asyncio
from http.cookies import SimpleCookie

import pytest

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.service import Service, ServiceFactory
from tests.web.conftest import ORIGIN

SESSION = "/notifications/session"


def _cookie(header: str) -> "SimpleCookie":
    cookie = SimpleCookie()
    cookie.load(header)
    return cookie


async def test_a_session_cookie_is_kept_from_scripts_and_other_sites(plain: Service) -> None:
    """HttpOnly, Secure, SameSite=Strict, path `/notifications`, and no older than its token."""
    async with Api(plain) as api:
        alice = fresh("alice")
        answer = await api.http.post(SESSION, headers=bearer(plain.token(alice, ttl_s=200)))
    assert answer.status_code == 200
    assert answer.json()["recipient_id"] == alice
    assert "token" not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = _cookie(answer.headers["Set-Cookie"])["notify_sse_session"]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"].lower() == "strict"
    assert cookie["path"] == "/notifications"
    assert 190 <= int(cookie["max-age"]) <= 200
    assert not cookie["domain"]


async def test_a_token_that_no_browser_would_keep_is_refused(plain: Service) -> None:
    """A cookie of over 4096 bytes is dropped without a word, and each later request would be a riddle."""
    async with Api(plain) as api:
        token = plain.token("alice", topics=[f"{n:060}" for n in range(60)])
        answer = await api.http.post(SESSION, headers=bearer(token))
    assert (answer.status_code, answer.json()["field"]) == (400, "token")
    assert "Set-Cookie" not in answer.headers


async def test_the_cookie_opens_stream_and_history(plain: Service) -> None:
    async with Api(plain) as api:
        alice = fresh("alice")
        answer = await api.http.post(SESSION, headers=bearer(plain.token(alice)))
        value = _cookie(answer.headers["Set-Cookie"])["notify_sse_session"].value
        cookie = {"Cookie": f"theme=dark; notify_sse_session={value}"}
        published = await api.publish(alice)
        page = await api.http.get("/notifications/history", params={"limit": "500"}, headers=cookie)
        assert published in [item["cursor"] for item in page.json()["items"]]
        assert (await api.http.head(STREAM, headers=cookie)).status_code == 200


async def test_the_header_wins_over_the_cookie(plain: Service) -> None:
    """Who sends a token explicitly means it, even when it is bad."""
    async with Api(plain) as api:
        cookie = {"Cookie": f"notify_sse_session={plain.token('alice')}"}
        assert (await api.http.head(STREAM, headers=cookie | bearer("x.y.z"))).status_code == 401


@pytest.mark.parametrize("way", ["nothing", "query", "cookie", "bad"])
async def test_a_session_begins_with_a_bearer_token_only(plain: Service, way: str) -> None:
    """A link must not be able to begin a session for somebody else."""
    async with Api(plain) as api:
        token = plain.token("alice", ttl_s=100)
        headers = {"cookie": {"Cookie": f"notify_sse_session={token}"}, "bad": bearer("x.y.z")}.get(way, {})
        params = {"access_token": token} if way == "query" else {}
        answer = await api.http.post(SESSION, headers=headers, params=params)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("signed_in", [True, False])
async def test_ending_a_session_removes_the_cookie(plain: Service, signed_in: bool) -> None:
    """204 whether or not there was one; the cookie that removes has the same attributes as the one that was set."""
    async with Api(plain) as api:
        headers = {"Cookie": f"notify_sse_session={plain.token('alice')}"} if signed_in else {}
        answer = await api.http.delete(SESSION, headers=headers)
    assert answer.status_code == 204
    cookie = _cookie(answer.headers["Set-Cookie"])["notify_sse_session"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/notifications")
    assert cookie["secure"]
    assert cookie["httponly"]


@pytest.mark.parametrize(
    "caused_by",
    [
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://sibling.example.org"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Origin": "https://sibling.example.org"},
        {"Origin": "null"},
    ],
    ids=str,
)
async def test_another_sites_page_cannot_use_the_cookie(plain: Service, caused_by: dict[str, str]) -> None:
    """A sibling origin's page can have the browser send it along (SameSite minds sites, not origins): nothing is read,
    and no session is ended. A browser that tells less than Chromium still tells the `Origin`.
    """
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice)
        headers = {"Cookie": f"notify_sse_session={token}", **caused_by}
        for path in (STREAM, "/notifications/history"):
            assert (await api.http.get(path, headers=headers)).status_code == 401
        async with api.stream(alice, token=token) as stream:
            await stream.event("connected")
            assert (await api.http.delete(SESSION, headers=headers)).status_code == 204
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published, "the stream was ended"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://wherever.example.org"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN},
        {"Origin": ORIGIN},
        {"Host": "push.example.org", "Origin": "https://push.example.org"},
        {},
    ],
)
async def test_our_own_and_listed_pages_can_use_the_cookie(plain: Service, headers: dict[str, str]) -> None:
    """Whatever host name a proxy made of ours: the browser knows what is the same origin."""
    async with Api(plain) as api:
        headers = headers | {"Cookie": f"notify_sse_session={plain.token('alice')}"}
        assert (await api.http.head(STREAM, headers=headers)).status_code == 200


async def test_more_than_one_session_cookie_is_refused(plain: Service) -> None:
    """A sibling origin can set one of the same name for the parent domain; the victim would read another's stream."""
    async with Api(plain) as api:
        mine, other = (f"notify_sse_session={plain.token(fresh(name))}" for name in ("alice", "mallory"))
        answer = await api.http.get("/notifications/history", headers={"Cookie": f"{mine}; {other}"})
    assert answer.status_code == 401
    assert "more than one" in answer.json()["detail"]


async def test_with_the_host_prefix_the_cookie_is_for_this_host_only(service: ServiceFactory) -> None:
    """Browsers take such a cookie with the path `/`, `Secure` and without a domain, or not at all."""
    running = await asyncio.to_thread(service, env={"SESSION_COOKIE": "__Host-notify_sse_session"})
    async with Api(running) as api:
        alice = fresh("alice")
        begun = await api.http.post(SESSION, headers=bearer(running.token(alice)))
        cookie = _cookie(begun.headers["Set-Cookie"])["__Host-notify_sse_session"]
        assert (cookie["path"], cookie["domain"], bool(cookie["secure"])) == ("/", "", True)
        headers = {"Cookie": f"__Host-notify_sse_session={cookie.value}; notify_sse_session={running.token('mallory')}"}
        assert (await api.http.head(STREAM, headers=headers)).status_code == 200
        ended = await api.http.delete(SESSION, headers=headers)
        assert _cookie(ended.headers["Set-Cookie"])["__Host-notify_sse_session"]["path"] == "/"
        document = (await api.http.get("/openapi.json")).json()
        assert document["components"]["securitySchemes"]["cookie"]["name"] == "__Host-notify_sse_session"
