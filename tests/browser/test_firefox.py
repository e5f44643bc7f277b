"""The core cases in Firefox."""

import asyncio

import pytest

from tests.browser.bench import STREAM, Publisher, assert_each_once_in_order, assert_unnoticed, opened, proxied, until
from tests.browser.wire import FirefoxTab, firefox
from tests.support import polling
from tests.support.service import ServiceFactory

pytestmark = pytest.mark.deadline(150)
TRANSPORTS = ("eventsource", "fetch", "websocket", "longpoll")


async def test_a_flood_survives_the_gateway_killed(service: ServiceFactory) -> None:
    """By each transport, in a tab of its own."""
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        pages = {
            transport: await opened(await browser.new_page(), proxy, transport=transport) for transport in TRANSPORTS
        }
        sending = asyncio.create_task(Publisher(gateway).send(1500, batch=20, pause_s=0.02))
        for page in pages.values():
            await until(page, "seen.length > 500")
        await asyncio.to_thread(gateway.restart)
        await sending
        for transport, page in pages.items():
            await assert_each_once_in_order(page, 1500)
            assert await page.evaluate("manager.state.transport") == transport


async def test_tokens_that_end_every_3_s_go_unnoticed(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        page = await opened(await browser.new_page(), proxy, ttlS=3)
        await page.evaluate("states.length = 0")
        await Publisher(gateway).send(240, batch=1, pause_s=0.05)
        await assert_each_once_in_order(page, 240)
        await assert_unnoticed(page)


async def test_it_recovers_from_a_proxy_that_answers_503(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        page = await opened(await browser.new_page(), proxy)
        proxy.refuse[""] = 503
        proxy.cut(STREAM)
        await until(page, "manager.state.attempt >= 2")
        await Publisher(gateway).send(50)
        proxy.refuse.clear()
        await assert_each_once_in_order(page, 50)


async def test_it_falls_back_and_climbs_up_again(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        page = await opened(await browser.new_page(), proxy, upgradeAfterMs=3000)
        proxy.refuse[STREAM] = 404
        proxy.cut(STREAM)
        await until(page, "connected() && manager.state.transport === 'websocket'", within_s=30)
        publisher = Publisher(gateway)
        await publisher.send(20)
        proxy.refuse.clear()
        await until(page, "manager.state.transport === 'eventsource'")
        await publisher.send(20)
        await assert_each_once_in_order(page, 40)


@pytest.mark.parametrize("share", ["worker", "leader"])
async def test_tabs_share_one_stream_and_survive_the_end_of_one(service: ServiceFactory, share: str) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        pages = [await opened(await browser.new_page(), proxy, user="alice", share=share) for _ in range(4)]
        assert proxy.count_live(STREAM) == 1
        sending = asyncio.create_task(Publisher(gateway).send(1500, batch=20, pause_s=0.02))
        await until(pages[-1], "seen.length > 500")
        first = await _first_to_close(pages)
        pages.remove(first)
        await first.close()
        await sending
        await asyncio.gather(*(assert_each_once_in_order(page, 1500) for page in pages))
        await polling.until(lambda: proxy.count_live(STREAM) == 1, what="one stream")


async def _first_to_close(pages: list[FirefoxTab]) -> FirefoxTab:
    """The tab that leads, or any when a worker does."""
    for page in pages:
        if await page.evaluate("manager.state.shared") == "leader":
            return page
    return pages[0]


async def test_a_reload_goes_on_from_the_last_cursor(service: ServiceFactory) -> None:
    """The last one that was written while the page was there: Firefox may forget what a page writes as it goes."""
    gateway = service()
    async with proxied(gateway) as proxy, firefox() as browser:
        page = await opened(await browser.new_page(), proxy)
        publisher = Publisher(gateway)
        await publisher.send(20)
        await assert_each_once_in_order(page, 20)
        await until(page, "Object.values(sessionStorage).includes(manager.cursor + ' ' + manager.recipient)")
        address = await page.evaluate("location.href")
        await page.goto("about:blank")
        await publisher.send(20)
        await page.goto(address)
        await assert_each_once_in_order(page, 40, since=20)
