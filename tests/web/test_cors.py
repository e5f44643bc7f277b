"""CORS: an exact list of origins, for every route; never a reflection of what came."""

import pytest

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.service import Service, ServiceFactory
from tests.web.conftest import ORIGIN

HISTORY = "/notifications/history"
FOREIGN = (
    "null",
    "https://app.example.org.evil.com",
    "https://evil.com",
    "https://evilapp.example.org",
    "https://app.example.orgevil.com",
    "https://sub.app.example.org",
    "https://example.org",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org:443",
    "https://app.example.org/",
    "https://app.example.org/path",
    "https://user@app.example.org",
    "HTTPS://APP.EXAMPLE.ORG",
    "https://app.example.org,http://localhost:3000",
    "https://app.example.org http://localhost:3000",
    "http://localhost:3001",
    "http://localhost",
    "http://127.0.0.1:3000",
    "file://",
    "*",
    "",
    "https://app\u00e9.example.org",
)


@pytest.mark.parametrize("path", [STREAM, HISTORY, "/healthz"])
@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_may_read_nothing(plain: Service, origin: str, path: str) -> None:
    """The answer comes (CORS is the browser's), but carries no permission; caches are told that it depends."""
    async with Api(plain) as api:
        headers = [(b"Origin", origin.encode()), (b"Authorization", b"Bearer " + plain.token("alice").encode())]
        answer = (
            await api.http.head(path, headers=headers) if path == STREAM else await api.http.get(path, headers=headers)
        )
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
@pytest.mark.parametrize("path", [STREAM, HISTORY])
async def test_a_listed_origin_may_read_with_credentials(plain: Service, origin: str, path: str) -> None:
    """Answers and refusals alike: a page has to see its 401, too."""
    async with Api(plain) as api:
        for headers in (bearer(plain.token("alice")), {}):
            method = "HEAD" if path == STREAM else "GET"
            answer = await api.http.request(method, path, headers=headers | {"Origin": origin})
            assert answer.status_code == (200 if headers else 401)
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
            assert "Origin" in answer.headers["Vary"]


async def test_an_open_stream_and_a_refusal_for_its_query_carry_it(plain: Service) -> None:
    """The stream adds its own headers: also on a real stream, and each once."""
    async with Api(plain) as api:
        async with api.stream(fresh("alice"), headers={"Origin": ORIGIN}) as stream:
            assert stream.stream.header("Access-Control-Allow-Origin") == ORIGIN
            assert stream.stream.header("Vary") == "Origin"
        headers = bearer(plain.token("alice")) | {"Origin": ORIGIN}
        refused = await api.http.get(STREAM, params={"event_names": "x"}, headers=headers)
        assert refused.status_code == 400
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("path", [STREAM, HISTORY, "/notifications", "/notifications/session"])
async def test_a_preflight_of_a_listed_origin_is_allowed(plain: Service, path: str) -> None:
    """With the headers that the browser client sends."""
    async with Api(plain) as api:
        headers = {
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST" if path in ("/notifications", "/notifications/session") else "GET",
            "Access-Control-Request-Headers": "authorization,last-event-id,cache-control,content-type",
        }
        answer = await api.http.options(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "last-event-id", "content-type"))


@pytest.mark.parametrize("origin", ["null", "https://evil.com", "https://app.example.org.evil.com"])
async def test_a_preflight_of_a_foreign_origin_is_refused(plain: Service, origin: str) -> None:
    async with Api(plain) as api:
        headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        answer = await api.http.options(STREAM, headers=headers)
    assert answer.status_code == 400
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_without_a_list_no_origin_is_allowed(service: ServiceFactory) -> None:
    """The default: same origin only."""
    running = service()
    async with Api(running) as api:
        for path in (STREAM, HISTORY):
            method = "HEAD" if path == STREAM else "GET"
            headers = bearer(running.token("alice")) | {"Origin": ORIGIN}
            answer = await api.http.request(method, path, headers=headers)
            assert answer.status_code == 200
            assert "Access-Control-Allow-Origin" not in answer.headers
