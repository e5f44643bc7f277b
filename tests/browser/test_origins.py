"""What the defence of the session cookie believes of browsers, in two of them, over TLS: pages of the service's own
origin, of a sibling site, and of a foreign one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import async_playwright

from tests.browser.bench import HISTORY, SOCKET, STREAM, Publisher, Scripted
from tests.browser.tls import FOREIGN, PUSH, SIBLING, Sent, Web, web
from tests.browser.wire import firefox
from tests.support.service import Service, ServiceFactory
from tests.support.services import browsers

pytestmark = pytest.mark.deadline(120)

CANARY = "test-alice-0"
TOSSED = "test-mallory-0"
WITHIN_MS = 4000
TRY = """new Promise((resolve) => {
  const heard = [];
  const done = (how) => resolve({ how, heard: heard.join("\\n") });
  setTimeout(() => done("silence"), %d);
  %s
})"""
BY_SOCKET = """
  const socket = new WebSocket(%r);
  socket.onmessage = ({ data }) => { heard.push(data); if (data.includes("test-")) done("heard"); };
  socket.onclose = () => done("closed");"""
BY_STREAM = """
  const source = new EventSource(%r, { withCredentials: true });
  source.onmessage = ({ data }) => { heard.push(data); if (data.includes("test-")) { source.close(); done("heard"); } };
  source.onerror = () => { source.close(); done("closed"); };"""
BY_FETCH = """
  fetch(%r, { credentials: "include", mode: %r }).then(
    async (answer) => { heard.push(await answer.text()); done(answer.ok ? "heard" : "closed"); },
    () => done("closed"),
  );"""


@contextlib.asynccontextmanager
async def _chromium() -> AsyncIterator[Scripted]:
    installed = await asyncio.to_thread(browsers.chromium)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=installed.executable_path,
            args=[*installed.arguments, "--host-resolver-rules=MAP *.test 127.0.0.1"],
        )
        try:
            yield await (await browser.new_context(ignore_https_errors=True)).new_page()
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def _firefox() -> AsyncIterator[Scripted]:
    async with firefox({"network.dns.localDomains": f"{PUSH},{SIBLING},{FOREIGN}"}) as browser:
        yield await browser.new_page()


BROWSERS = {"chromium": _chromium, "firefox": _firefox}


async def _sign_in(service: Service, page: Scripted, site: Web) -> str:
    """Alice signs in at the service's origin, and is sent a notification. Returns the cursor from before it."""
    await page.goto(site.ours)
    ask = f"{{method: 'POST', headers: {{Authorization: 'Bearer {service.token('alice')}'}}}}"
    status = await page.evaluate(f"fetch('/notifications/session', {ask}).then((answer) => answer.status)")
    assert status in (200, 201, 204)
    before = await page.evaluate("fetch('/notifications/history').then((answer) => answer.json())")
    await Publisher(service).send(1, to="alice")
    site.sent.clear()
    return str(before["cursor"])


async def _ways(page: Scripted, site: Web, cursor: str) -> dict[str, tuple[str, bool]]:
    """Every way to read with the cookie: how it went, and whether anything of Alice's was read."""
    query = f"last_event_id={cursor}"
    ways = {
        "socket": BY_SOCKET % f"{site.push.replace('https', 'wss')}{SOCKET}?{query}",
        "stream": BY_STREAM % f"{site.push}{STREAM}?{query}",
        "cors": BY_FETCH % (f"{site.push}{HISTORY}", "cors"),
        "no-cors": BY_FETCH % (f"{site.push}{HISTORY}", "no-cors"),
    }
    found = {}
    for name, attempt in ways.items():
        result = await page.evaluate(TRY % (WITHIN_MS, attempt))
        found[name] = (result["how"], CANARY in result["heard"])
    return found


@pytest.mark.parametrize("at", BROWSERS)
async def test_the_cookie_serves_pages_of_our_origin_and_of_no_other(service: ServiceFactory, at: str) -> None:
    """And what decides that is there in each browser. Then a cookie that a sibling site sets for both: it serves none.
    (One browser for all of it: its start takes longest.)
    """
    gateway = await asyncio.to_thread(service)
    async with web(gateway.port) as site, BROWSERS[at]() as page:
        cursor = await _sign_in(gateway, page, site)
        ways = await _ways(page, site, cursor)
        assert set(ways.values()) == {("heard", True)}, ways
        ours = site.taken()
        assert {one.headers.get("origin") for one in ours[SOCKET]} == {site.push}
        assert _places(ours) == {"same-origin"}
        for host, place in ((SIBLING, "same-site"), (FOREIGN, "cross-site")):
            await page.goto(site.page(host))
            ways = await _ways(page, site, cursor)
            assert not any(read for _, read in ways.values()), (host, ways)
            theirs = site.taken()
            assert {one.headers.get("origin") for one in theirs[SOCKET]} == {site.page(host).rstrip("/")}
            assert _places(theirs) == {place}
            # To a sibling's requests the browser adds the cookie: nothing but the above keeps it out.
            added = {"cookie" in one.headers for one in (*theirs[SOCKET], *theirs[STREAM], *theirs[HISTORY])}
            assert added == {host == SIBLING}
        await _assert_a_tossed_cookie_serves_nobody(gateway, page, site)


def _places(sent: dict[str, list[Sent]]) -> set[str]:
    """Where the browser says that each HTTP request comes from."""
    return {one.headers.get("sec-fetch-site", "") for one in (*sent[STREAM], *sent[HISTORY])}


async def _assert_a_tossed_cookie_serves_nobody(gateway: Service, page: Scripted, site: Web) -> None:
    """A page of a sibling site may set a cookie for all of them. Alice would read Mallory's stream: two are refused."""
    await Publisher(gateway).send(1, to="mallory")
    await page.goto(site.page(SIBLING))
    toss = f"notify_sse_session={gateway.token('mallory')}; domain=example.test; path=/notifications; secure"
    await page.evaluate(f"document.cookie = {toss!r}")
    site.taken()
    await page.goto(site.ours)
    answer = await page.evaluate(
        "fetch('/notifications/history').then(async (a) => ({status: a.status, text: await a.text()}))"
    )
    (sent,) = site.taken()[HISTORY]
    assert sent.headers["cookie"].count("notify_sse_session=") == 2, "the browser did not take it: another test"
    assert answer["status"] == 401
    assert TOSSED not in answer["text"]
