"""Behind a proxy that shows the service under a path: whatever is given out begins with it."""

import json
from pathlib import Path

import httpx
import pytest
import websockets

from tests.server.in_process import running
from tests.support.api import Api, bearer

Way = tuple[dict[str, str], dict[str, str]]
BY_SETTING: Way = ({"ROOT_PATH": "/push"}, {})
BY_PROXY: Way = ({"TRUSTED_PROXIES": "127.0.0.1"}, {"X-Forwarded-Prefix": "/push", "X-Forwarded-For": "192.0.2.7"})


@pytest.mark.parametrize(("env", "headers"), [BY_SETTING, BY_PROXY], ids=["setting", "proxy"])
async def test_cookie_and_urls_begin_with_the_path(
    tmp_path: Path, env: dict[str, str], headers: dict[str, str]
) -> None:
    """The cookie comes back to the proxy's path, a reset leads to a history that is there; on every transport."""
    env = env | {"POLLING_SUNSET_AT": "2027-06-30"}
    async with running(tmp_path, **env) as service, Api(service) as api:
        token = service.token("alice", ttl_s=60)
        http = api.http
        asked = headers | bearer(token)
        # Another token for the session: its end is the token's.
        of_session = headers | bearer(service.token("bob", ttl_s=60))
        began = await http.post("/notifications/session", headers=of_session)
        ended = await http.delete("/notifications/session", headers=of_session)
        for answer in (began, ended):
            assert "; Path=/push/notifications;" in answer.headers["set-cookie"]
        history = "/push/notifications/history?before="
        for params in ({"after": "gone.1"}, {"before": "gone.1"}, {"after": "gone.1", "wait": "1"}):
            polled = await http.get("/notifications/history", params=params, headers=asked)
            assert polled.json()["reset"]["history"].startswith(history)
        assert "</push/notifications/stream>" in polled.headers["link"]
        assert "</push/notifications/transport>" in polled.headers["link"]
        assert (await http.get("/openapi.json", headers=headers)).json()["servers"] == [{"url": "/push"}]
        for fresh in (True, False):
            assert (await _reset(service.url, asked, fresh=fresh))["history"].startswith(history)
        url = f"{service.url.replace('http', 'ws')}/notifications/ws?last_event_id=gone.1&access_token={token}"
        async with websockets.connect(url, proxy=None, additional_headers=headers) as socket:
            told = [json.loads(await socket.recv()) for _ in range(2)]
        assert told[1]["data"]["history"].startswith(history)


async def _reset(url: str, headers: dict[str, str], *, fresh: bool) -> dict[str, str]:
    """The reset of a stream, on a connection of its own (the door's) or after another request (the server's)."""
    async with httpx.AsyncClient(base_url=url, verify=False) as http:
        if not fresh:
            await http.get("/healthz")
        params = {"last_event_id": "gone.1"}
        async with http.stream("GET", "/notifications/stream", params=params, headers=headers) as answer:
            async for line in answer.aiter_lines():
                if line.startswith('data: {"reason"'):
                    reset: dict[str, str] = json.loads(line.removeprefix("data: "))
                    return reset
    raise AssertionError("no reset")


async def test_a_proxy_that_leaves_the_path_as_it_is_works_too(tmp_path: Path) -> None:
    """Every route, WebSocket and the stream included."""
    async with running(tmp_path, ROOT_PATH="/push") as service, Api(service) as api:
        headers = bearer(service.token("alice", ttl_s=60))
        for path in ("/readyz", "/notifications/history", "/client/notify-sse.js", "/openapi.json"):
            assert (await api.http.get(f"/push{path}", headers=headers)).status_code == 200
        assert (await _reset(f"{service.url}/push", headers, fresh=True))["reason"] == "unknown_epoch"
        url = f"{service.url.replace('http', 'ws')}/push/notifications/ws"
        async with websockets.connect(url, proxy=None, additional_headers=headers) as socket:
            assert json.loads(await socket.recv())["event"] == "connected"


async def test_a_stranger_names_no_path(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Api(service) as api:
        asked = bearer(service.token("alice")) | {"X-Forwarded-Prefix": "/evil"}
        began = await api.http.post("/notifications/session", headers=asked)
        assert "; Path=/notifications;" in began.headers["set-cookie"]
