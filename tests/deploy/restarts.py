"""What every proxy has to hold: a native EventSource behind it, while the gateways come and go under publishing."""

import asyncio
import contextlib
import json
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial

import httpx
import websockets
from playwright.async_api import BrowserContext, Page

from tests.deploy.proxies import Proxy
from tests.support.api import PUBLISH, Api, bearer, notification
from tests.support.polling import becomes_true, eventually, until
from tests.support.service import Service

LAST = 100
"""So many are published from the kill on."""
STREAM = "/notifications/stream"
LISTEN = """(url) => {
    window.seen = [];
    window.ends = [];
    window.resets = 0;
    window.opened = 0;
    window.source = new EventSource(url);
    source.onopen = () => opened += 1;
    source.onmessage = ({data}) => seen.push(JSON.parse(data).payload.n);
    source.addEventListener("closing", ({data}) => ends.push(JSON.parse(data).reason));
    source.addEventListener("reset", () => resets += 1);
}"""
TABS = 30
STARTED = "serving action=start"
TAKEN = 'notify_sse_http_requests_total{route="/notifications",status="201"}'
Gateways = tuple[Service, Service]


class Numbers:
    """0, 1, 2 … until `enough` is set. `count` is how many were accepted."""

    def __init__(self) -> None:
        self.count = 0
        self.enough = False

    def __iter__(self) -> Iterator[int]:
        while not self.enough:
            yield self.count
            self.count += 1


async def listening(context: BrowserContext, url: str, token: str) -> Page:
    """A page of the proxy's origin with an open EventSource, whose token is in its URL."""
    page = await context.new_page()
    await page.goto(f"{url}/client/notify-sse.js")
    await page.evaluate(LISTEN, f"{STREAM}?access_token={token}")
    await page.wait_for_function("opened === 1", timeout=60_000)
    return page


async def in_each(tabs: Sequence[Page], condition: str) -> None:
    """Wait until the JavaScript `condition` is true in each of them; none has given up meanwhile, as an EventSource
    does for ever when it is answered anything but 200.
    """
    given_up = "source.readyState === EventSource.CLOSED"
    wait = f"{given_up} || ({condition})"
    await asyncio.gather(*(tab.wait_for_function(wait, timeout=60_000, polling=50) for tab in tabs))
    assert not any([await tab.evaluate(given_up) for tab in tabs])


async def publish(proxy: Proxy, token: str, numbers: Iterable[int], *, pace_s: float = 0.02) -> None:
    """A notification of each number, one by one through the proxy, each with the same id until it is accepted."""
    async with httpx.AsyncClient(base_url=proxy.url, headers=bearer(token), timeout=30, verify=False) as http:
        for n in numbers:
            document = notification("alice", notification_id=f"n{n}", payload={"n": n})
            await eventually(partial(_accepted, http, document), what="a gateway", within_s=30, every_s=0.1)
            await asyncio.sleep(pace_s)


async def _accepted(http: httpx.AsyncClient, document: dict[str, object]) -> bool:
    with contextlib.suppress(httpx.TransportError):
        answer = await http.post("/notifications", json=document)
        if answer.status_code >= 500:
            return False
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["notification_id"] == document["notification_id"], "200 for what nobody took"
        return True
    return False


async def restart(gateway: Service) -> None:
    """SIGTERM, its drain, and a new process in its place."""
    await asyncio.to_thread(gateway.terminate, within_s=30)
    assert "did not end within" not in gateway.logged()
    await asyncio.to_thread(gateway.start)


async def reload(gateway: Service) -> None:
    """SIGHUP: the program that is installed now, on the same socket. Returns once only the new one is there, and ready;
    the old one says so too until it drains, and the new one says that it serves before it is ready.
    """
    process = gateway.process
    assert process is not None
    old, starts = process.descendants(), gateway.logged().count(STARTED)
    expected = starts + max(1, len(old))
    process.send(signal.SIGHUP)
    await until(lambda: gateway.logged().count(STARTED) >= expected, what="the new program", within_s=60, every_s=0.05)
    await until(lambda: not any(one.alive for one in old), what="the end of the old workers", within_s=60, every_s=0.05)
    await asyncio.to_thread(gateway.wait_ready, within_s=60)
    assert gateway.process == process
    assert process.alive


async def taken_up(gateway: Service) -> None:
    """Returns once the proxy gives it notifications again, which are being published. A proxy that asks for health may
    hold it for dead a little longer than it is.
    """
    async with Api(gateway) as api:
        before = await api.metric(TAKEN)

        async def more() -> bool:
            return await api.metric(TAKEN) > before

        await eventually(more, what="a notification from the proxy", within_s=60, every_s=0.1)


async def kill_both(gateways: Gateways, while_away: Callable[[], Awaitable[object]]) -> None:
    """SIGKILL both at once, so that nobody is there for a moment, and start them again."""
    for gateway in gateways:
        gateway.kill()
    await while_away()
    await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in gateways))


async def assert_nothing_is_lost(proxy: Proxy, gateways: Gateways, context: BrowserContext) -> None:
    """Somebody publishes all the time: over a restart of each gateway, a reload of the proxy, a reload of each gateway,
    and a kill of both. The page has all, once, in order, by one EventSource that was told no `reset`. A publisher's
    idle connection outlives the kill. And no log of the proxy has a token.
    """
    reader, publisher = gateways[0].token("alice", ttl_s=290), gateways[0].token("shop", scope=PUBLISH)
    page = await listening(context, proxy.url, reader)
    numbers = Numbers()

    async def seen_more(count: int) -> None:
        await page.wait_for_function(f"seen.length >= {numbers.count + count}", timeout=60_000, polling=20)

    async def turned_away() -> None:
        await page.wait_for_function("ends.includes('busy')", timeout=60_000, polling=20)
        await assert_only_streams_are_answered_200(proxy, reader, publisher)

    publishing = asyncio.create_task(publish(proxy, publisher, numbers))
    try:
        await seen_more(30)
        await restart(gateways[0])
        await seen_more(30)
        retired = await asyncio.to_thread(proxy.reload)
        await restart(gateways[1])
        await seen_more(30)
        for gateway in gateways:
            await reload(gateway)
            await seen_more(30)
        await asyncio.gather(*map(taken_up, gateways))  # or a single request may find that the proxy knows of none
        await page.evaluate("ends.length = 0")
        async with idle_over_a_break(proxy, reader, publisher):
            await kill_both(gateways, turned_away)
            await seen_more(LAST)
        numbers.enough = True
        await publishing
    finally:
        publishing.cancel()
    everything = list(range(numbers.count))
    await page.wait_for_function(f"seen.length >= {numbers.count}", timeout=60_000)
    await assert_ways_in(proxy, gateways)
    # A stream never ends by itself: without a limit, each reload would leave processes that stay for ever.
    assert await becomes_true(lambda: not any(process.alive for process in retired), within_s=30)
    assert await page.evaluate("seen") == everything
    assert await stored(proxy, reader) == everything, "published again, and stored twice"
    # The old processes of the proxy ended just now, perhaps with this stream: then it comes back.
    await page.wait_for_function("source.readyState === 1", timeout=60_000)
    assert await page.evaluate("resets") == 0
    await assert_no_token_in_logs(proxy, [reader, publisher])


async def stored(proxy: Proxy, reader: str) -> list[int]:
    """What alice has in the log, in its order."""
    found: list[int] = []
    params: dict[str, str] = {"limit": "500"}
    async with httpx.AsyncClient(base_url=proxy.url, headers=bearer(reader), timeout=30, verify=False) as http:
        while True:
            page = (await http.get("/notifications/history", params=params)).json()
            found += [item["payload"]["n"] for item in page["items"]]
            if not page["more"]:
                return found
            params["after"] = page["cursor"]


async def assert_tabs_share_a_connection_and_come_back(
    proxy: Proxy, gateways: Gateways, context: BrowserContext, *, count: int
) -> None:
    """HTTP/2: HTTP/1.1 has six connections for all tabs. Then both gateways go, one after the other: all streams break
    at once, twice, and the proxy must not hold that against a gateway that is back.
    """
    reader, publisher = gateways[0].token("alice", ttl_s=290), gateways[0].token("shop", scope=PUBLISH)
    tabs = [await listening(context, proxy.url, reader) for _ in range(count)]
    await publish(proxy, publisher, [0])
    await in_each(tabs, "seen.length === 1")
    for gateway in gateways:
        gateway.kill()
        await asyncio.to_thread(gateway.start)
    await in_each(tabs, "source.readyState === 1")
    await publish(proxy, publisher, [1])
    await in_each(tabs, "seen.length === 2")
    assert await becomes_true(lambda: proxy.connections() == 1, within_s=30)  # the publisher's ends a little later
    for tab in tabs:
        assert await tab.evaluate("[seen, resets]") == [[0, 1], 0]


@contextlib.asynccontextmanager
async def idle_over_a_break(proxy: Proxy, reader: str, publisher: str) -> AsyncIterator[None]:
    """A connection to the proxy, used before and afterwards, and idle meanwhile: its next requests are answered.
    Between proxy and gateway none is kept, so that no request can meet the end of one.
    """
    limits = httpx.Limits(max_connections=1, keepalive_expiry=300)
    async with httpx.AsyncClient(base_url=proxy.url, verify=False, limits=limits, timeout=30) as http:
        ports = []
        for number in range(2):
            document = notification("carol", notification_id=f"idle-{number}")
            published = await http.post("/notifications", headers=bearer(publisher), json=document)
            history = await http.get("/notifications/history", headers=bearer(reader))
            assert [published.status_code, history.status_code] == [201, 200]
            ports.append(history.extensions["network_stream"].get_extra_info("client_addr")[1])
            if number == 0:
                yield
        assert ports[0] == ports[1], "it was opened anew"


async def assert_only_streams_are_answered_200(proxy: Proxy, reader: str, publisher: str) -> None:
    """While no gateway is there: to an EventSource "come back", in the form that every client takes; to others 5xx."""
    async with httpx.AsyncClient(base_url=proxy.url, timeout=30, verify=False) as http:
        stream = await http.get(STREAM, params={"access_token": reader}, headers={"Accept": "text/event-stream"})
        assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
        assert stream.text == 'retry: 3000\nevent: closing\ndata: {"reason":"busy","retry_ms":3000}\n\n'
        assert "no-store" in stream.headers["cache-control"]
        history = await http.get("/notifications/history", headers=bearer(reader))
        published = await http.post("/notifications", headers=bearer(publisher), json=notification("alice"))
        assert [history.status_code // 100, published.status_code // 100] == [5, 5]


async def assert_ways_in(proxy: Proxy, gateways: Gateways) -> None:
    """WebSocket works; clear text is sent to TLS; what is for operators is not there."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"{proxy.url.replace('https', 'wss')}/notifications/ws?access_token={gateways[0].token('bob', ttl_s=200)}"
    async with websockets.connect(url, ssl=context, proxy=None) as socket:
        assert json.loads(await socket.recv())["event"] == "connected"
    async with httpx.AsyncClient(verify=False) as http:
        for path in ("/metrics", "/readyz", "/healthz", "/admin", "/"):
            assert (await http.get(proxy.url + path)).status_code == 404, path
        clear = await http.get(f"http://localhost:{proxy.clear_port}/notifications/history?after=1")
        assert clear.status_code in (301, 308)
        assert clear.headers["location"].startswith("https://localhost")


async def assert_no_token_in_logs(proxy: Proxy, tokens: list[str]) -> None:
    """Nor its signature alone; and the requests were logged."""
    assert await becomes_true(lambda: STREAM in proxy.access_log.read_text(), within_s=30), "no request was logged"
    for name, text in proxy.logged().items():
        assert "access_token" not in text, name
        for token in tokens:
            assert token.rpartition(".")[2] not in text, name
