"""`POST` and `DELETE /notifications/session`: a token in a cookie that no script can read."""

from http.cookies import SimpleCookie

import pytest

from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.service import Service
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


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize("origin", ["https://sibling.example.org", "null", None])
async def test_another_sites_page_cannot_use_the_cookie(plain: Service, site: str, origin: str | None) -> None:
    """A sibling origin's page can have the browser send it along (SameSite minds sites, not origins), without needing
    to read the answer: nothing is published, no session is ended.
    """
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice, scope="notifications:publish notifications:read")
        headers = {"Cookie": f"notify_sse_session={token}", "Sec-Fetch-Site": site}
        headers |= {"Origin": origin} if origin else {}
        start = await api.head()
        answer = await api.http.post("/notifications", json=notification(alice), headers=headers)
        assert answer.status_code == 401
        assert await api.head() == start
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
        {},
    ],
)
async def test_our_own_and_listed_pages_can_use_the_cookie(plain: Service, headers: dict[str, str]) -> None:
    """Whatever host name a proxy made of ours: the browser knows what is the same origin."""
    async with Api(plain) as api:
        headers = headers | {"Cookie": f"notify_sse_session={plain.token('alice')}"}
        assert (await api.http.head(STREAM, headers=headers)).status_code == 200
