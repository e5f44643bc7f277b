"""Falling back from one transport to the next, climbing up again, giving up, and how long it waits."""

from itertools import pairwise
from statistics import median

import pytest

from tests.browser.bench import (
    HISTORY,
    SOCKET,
    STREAM,
    Publisher,
    assert_each_once_in_order,
    chromium,
    opened,
    proxied,
    until,
)
from tests.browser.proxy import Proxy
from tests.support import polling
from tests.support.service import ServiceFactory
from tests.support.timing import is_busy


@pytest.mark.deadline(120)
async def test_it_falls_back_step_by_step_and_climbs_up_again_losing_nothing(service: ServiceFactory) -> None:
    """SSE → WebSocket → long polling as each is blocked; back to SSE, without a gap, once that works again."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, upgradeAfterMs=3000)
        publisher = Publisher(gateway)
        await publisher.send(20)
        assert await page.evaluate("manager.state.transport") == "eventsource"
        proxy.refuse[STREAM] = 404  # a proxy that does not know the path
        proxy.cut(STREAM)
        await until(page, "connected() && manager.state.transport === 'websocket'", within_s=30)
        await publisher.send(20)
        await assert_each_once_in_order(page, 40)
        proxy.refuse[SOCKET] = 400
        proxy.cut(SOCKET)
        await until(page, "connected() && manager.state.transport === 'longpoll'", within_s=30)
        await publisher.send(20)
        await assert_each_once_in_order(page, 60)
        await page.evaluate("states.length = 0")
        proxy.refuse.clear()
        await until(page, "manager.state.transport === 'eventsource'", within_s=30)
        await publisher.send(20)
        await assert_each_once_in_order(page, 80)
        assert set(await page.evaluate("states.map(({ status }) => status)")) == {"connected"}, "nobody noticed"
        await polling.until(lambda: proxy.count_live(HISTORY) == 0, what="the end of the polling")


async def test_a_proxy_that_swallows_the_stream_is_found_out(service: ServiceFactory) -> None:
    """The request is never answered, as by a buffering proxy: after a while that counts as the transport's fault."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        proxy.swallow.add(STREAM)
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        await page.evaluate("begin({ connectTimeoutMs: 700, fallbackAfter: 2, baseMs: 100 })")
        await until(page, "connected() && manager.state.transport === 'websocket'")
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)


@pytest.mark.parametrize(("way", "share"), [("websocket", "auto"), ("longpoll", "none")])
async def test_behind_a_proxy_that_buffers_a_page_is_connected_in_time_and_the_next_ones_at_once(
    service: ServiceFactory, way: str, share: str
) -> None:
    """5 s for the first page, 1 s for each later one, and nothing published between the pages is missed. What the proxy
    lets through is a WebSocket, or not even that."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        proxy.buffer.add(STREAM)
        if way == "longpoll":
            proxy.refuse[SOCKET] = 400
        page = await browser.new_page()
        publisher = Publisher(gateway)
        told = 0
        took: list[float] = []
        for _ in range(8):
            await page.goto(f"{proxy.url}/test/page.html")
            took.append(
                await page.evaluate(f"""new Promise((resolve) => {{
                  const began = performance.now();
                  begin({{ user: "alice", share: {share!r} }});
                  manager.onState(({{ status }}) => status === "connected" && resolve(performance.now() - began));
                }})""")
            )
            assert await page.evaluate("manager.state.transport") == way
            await assert_each_once_in_order(page, told, since=max(0, told - 3))
            await publisher.send(3)
            told += 3
            await assert_each_once_in_order(page, told, since=max(0, told - 6))
            await page.goto("about:blank")
            await publisher.send(3)
            told += 3
        assert took[0] < 5000, took
        assert median(took[1:]) < 1000, took
        assert max(took[1:]) < (2000 if is_busy() else 1000), took
        print("ms until connected:", [round(ms) for ms in took])


@pytest.mark.deadline(90)
async def test_it_waits_at_most_1_2_4_8_8_s_with_full_jitter_and_then_gives_up(service: ServiceFactory) -> None:
    """Measured at the proxy: with the greatest jitter the waits are the ceilings. Then a prompt, and a button."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        proxy.refuse[""] = 503
        await page.evaluate("begin({ maxAttempts: 6, random: () => 1 })")
        await until(page, "manager.state.status === 'failed'", within_s=40)
        waits = _waits(proxy)
        assert len(waits) == 5
        for waited, ceiling in zip(waits, [1, 2, 4, 8, 8], strict=True):
            assert waited >= ceiling, waits
        assert sum(waits) < 1.5 * (1 + 2 + 4 + 8 + 8), waits
        banner = page.locator("notify-status")
        assert "Refresh the page or check your network" in await banner.locator("[part=text]").inner_text()
        proxy.refuse.clear()
        await banner.get_by_role("button", name="Retry now").click()
        await until(page, "connected()", within_s=30)


def _waits(proxy: Proxy) -> list[float]:
    times = [exchange.at_s for exchange in proxy.requests if exchange.path == STREAM]
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.deadline(60)
async def test_a_crowd_is_spread_over_the_whole_wait(service: ServiceFactory) -> None:
    """Full jitter, measured: first waits of many managers lie between nothing and 1 s, evenly enough."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        proxy.down = True
        waits = await page.evaluate(
            """async () => {
              const { NotificationConnectionManager } = await import("/client/notify-sse.js");
              return Promise.all(Array.from({ length: 60 }, () => new Promise((resolve) => {
                const one = new NotificationConnectionManager({ resume: "none" });
                one.onState(({ retryAt }) => retryAt && (resolve(retryAt - Date.now()), one.close()));
                one.connect();
              })));
            }"""
        )
        assert len(waits) == 60
        assert all(-50 <= wait <= 1000 for wait in waits), waits
        thirds = [sum(third * 333 <= wait < (third + 1) * 334 for wait in waits) for third in range(3)]
        assert min(thirds) >= 6, thirds
