"""One connection for all tabs of a browser, and what becomes of it when tabs come and go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page

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
from tests.support.service import Service, ServiceFactory
from tests.support.timing import is_busy

TABS = 7
HANG = """{
    const end = Date.now() + 30000;
    const said = new XMLHttpRequest();
    said.open("GET", "/test/hangs", false);
    said.send();
    while (Date.now() < end);
}"""
"""Says so, and does nothing else for 30 s: the request is synchronous."""


@contextlib.asynccontextmanager
async def tabs(gateway: Service, *, share: str, count: int = TABS) -> AsyncIterator[tuple[Proxy, list[Page]]]:
    """`count` tabs of one browser, each with a manager for alice."""
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        yield proxy, [await _tab(context, proxy, share) for _ in range(count)]


async def _tab(context: BrowserContext, proxy: Proxy, share: str) -> Page:
    return await opened(await context.new_page(), proxy, user="alice", share=share)


@pytest.mark.deadline(90)
@pytest.mark.parametrize(("share", "as_what"), [("worker", {"worker"}), ("leader", {"leader", "follower"})])
async def test_seven_tabs_have_one_connection_and_all_see_everything(
    service: ServiceFactory, share: str, as_what: set[str]
) -> None:
    """More tabs than HTTP/1.1 has connections: the service sees one stream."""
    gateway = service()
    async with tabs(gateway, share=share) as (proxy, pages):
        assert proxy.count_live(STREAM) == 1
        await Publisher(gateway).send(1000)
        await asyncio.gather(*(assert_each_once_in_order(page, 1000) for page in pages))
        assert {await page.evaluate("manager.state.shared") for page in pages} == as_what
        assert proxy.count(STREAM) == 1


@pytest.mark.deadline(90)
async def test_the_leader_tab_is_closed_under_a_flood_three_times(service: ServiceFactory) -> None:
    """Each time another tab goes on; every tab that is left has each notification once and in order."""
    gateway = service()
    async with tabs(gateway, share="leader") as (proxy, pages):
        sending = asyncio.create_task(Publisher(gateway).send(3000, batch=20, pause_s=0.02))
        for share in (500, 1200, 2000):
            await until(pages[-1], f"seen.length > {share}")
            leader = await _leader(pages)
            pages.remove(leader)
            await leader.close()
        await sending
        await asyncio.gather(*(assert_each_once_in_order(page, 3000) for page in pages))
        await polling.until(lambda: proxy.count_live(STREAM) == 1, what="one stream")
        assert proxy.count(STREAM) == 4
        for page in pages:
            assert "closed" not in await page.evaluate("states.map(({ status }) => status)"), "that was another tab"


async def _leader(pages: list[Page]) -> Page:
    for page in pages:
        if await page.evaluate("manager.state.shared") == "leader":
            return page
    raise AssertionError("no tab leads")


@pytest.mark.deadline(90)
async def test_a_leader_that_hangs_is_deposed(service: ServiceFactory) -> None:
    """Its tab holds the lock and does nothing: after two pings without an answer another tab takes the lock away."""
    gateway = service()
    async with tabs(gateway, share="leader", count=3) as (proxy, pages):
        leader = await _leader(pages)
        others = [page for page in pages if page is not leader]
        hanging = asyncio.create_task(leader.evaluate(HANG))
        await polling.until(lambda: proxy.count("/test/hangs") == 1, what="a tab that hangs")
        await Publisher(gateway).send(100)
        await asyncio.gather(*(assert_each_once_in_order(page, 100, within_s=35) for page in others))
        assert await _leader(others)
        await hanging
        await assert_each_once_in_order(leader, 100)
        await until(leader, "manager.state.shared === 'follower'")


@pytest.mark.deadline(90)
@pytest.mark.parametrize("share", ["worker", "leader"])
async def test_tabs_come_and_go_and_reload_under_a_flood(service: ServiceFactory, share: str) -> None:
    """A tab that opens late starts when it comes; one that reloads goes on where it was; the others see no seam."""
    gateway = service()
    async with tabs(gateway, share=share, count=3) as (proxy, pages):
        steady, reloading, closing = pages
        publisher = Publisher(gateway)
        sending = asyncio.create_task(publisher.send(2000, batch=20, pause_s=0.02))
        await until(steady, "seen.length > 400")
        await closing.close()
        await reloading.evaluate("addEventListener('pagehide', () => sessionStorage.setItem('last', seen.at(-1)))")
        await reloading.reload()
        await until(reloading, "seen.length > 0")
        first = await reloading.evaluate("seen[0]")
        late = await _tab(steady.context, proxy, share)
        await sending
        await assert_each_once_in_order(steady, 2000)
        assert first == 1 + await reloading.evaluate("+sessionStorage.getItem('last')"), (
            "the reload neither repeats nor skips anything"
        )
        await assert_each_once_in_order(reloading, 2000, since=first)
        await until(late, "seen.at(-1) === 1999")
        seen = await late.evaluate("seen")
        assert seen == list(range(seen[0], 2000))


@pytest.mark.deadline(90)
@pytest.mark.parametrize("share", ["worker", "leader"])
async def test_the_gateway_dies_and_all_tabs_go_on(service: ServiceFactory, share: str) -> None:
    gateway = service()
    async with tabs(gateway, share=share, count=4) as (proxy, pages):
        publisher = Publisher(gateway)
        await publisher.send(100)
        await asyncio.gather(*(assert_each_once_in_order(page, 100) for page in pages))
        await asyncio.to_thread(gateway.kill)
        await asyncio.gather(*(until(page, "manager.state.status === 'reconnecting'") for page in pages))
        await asyncio.to_thread(gateway.start)
        await publisher.send(100)
        await asyncio.gather(*(assert_each_once_in_order(page, 200) for page in pages))
        # On a slow machine the next transport may have been faster to come back.
        ways = (STREAM, SOCKET, HISTORY)
        await polling.until(lambda: sum(map(proxy.count_live, ways)) == 1, what="one connection, by whatever transport")


@pytest.mark.parametrize("share", ["worker", "leader"])
async def test_tabs_of_two_users_never_share(service: ServiceFactory, share: str) -> None:
    """Two people signed in in one browser: each tab sees its own user's notifications only."""
    gateway = service()
    async with tabs(gateway, share=share, count=1) as (proxy, [alices]):
        bobs = await opened(await alices.context.new_page(), proxy, sub="bob", user="bob", share=share)
        await Publisher(gateway).send(10, to="alice")
        await Publisher(gateway).send(5, to="bob")
        await assert_each_once_in_order(alices, 10)
        await assert_each_once_in_order(bobs, 5)
        assert proxy.count_live(STREAM) == 2


async def test_tabs_whose_user_is_not_named_do_not_share(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        pages = [await opened(await context.new_page(), proxy) for _ in range(2)]
        assert proxy.count_live(STREAM) == 2
        assert [await page.evaluate("manager.state.shared") for page in pages] == [None, None]


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("SharedWorker", "leader"),
        ("SharedWorker, navigator.__proto__.locks", None),
    ],
)
async def test_a_browser_without_the_means_uses_the_next_best(
    service: ServiceFactory, missing: str, expected: str | None
) -> None:
    """Without SharedWorker a leader, without Web Locks one connection each."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        for name in missing.split(", "):
            await context.add_init_script(f"delete window.{name}; delete {name.replace('__proto__.', '__proto__.')}")
        page = await opened(await context.new_page(), proxy, user="alice")
        assert await page.evaluate("manager.state.shared") == expected
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)


async def test_where_site_data_is_blocked_each_tab_has_a_connection_of_its_own(service: ServiceFactory) -> None:
    """Locks are refused there: a leader and a place for a stream are asked for once each, and not for ever."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.add_init_script(
            """window.asked = 0;
            delete window.SharedWorker;
            LockManager.prototype.request = async () => { asked++; throw new DOMException("no", "SecurityError"); };"""
        )
        await opened(page, proxy, user="alice")
        assert await page.evaluate("[manager.state.shared, asked]") == [None, 2]
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)


async def test_a_worker_that_cannot_be_loaded_is_replaced_by_a_leader(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        proxy.refuse["/client/notify-sse-worker.js"] = 404
        page = await opened(await browser.new_page(), proxy, user="alice")
        assert await page.evaluate("manager.state.shared") == "leader"


@pytest.mark.deadline(60)
async def test_tabs_share_a_stream_whose_tokens_end_every_3_s(service: ServiceFactory) -> None:
    """The worker asks the tabs for tokens; a tab that is gone is not asked for ever."""
    gateway = service()
    pages_path = Path(__file__).with_name("page.html")
    async with proxied(gateway, {"/test/other.html": pages_path}) as proxy, chromium() as browser:
        context = await browser.new_context()
        pages = [await opened(await context.new_page(), proxy, user="alice", ttlS=3) for _ in range(3)]
        publisher = Publisher(gateway)
        await publisher.send(100, batch=1, pause_s=0.05)
        await pages.pop(0).close()
        await publisher.send(100, batch=1, pause_s=0.05)
        await asyncio.gather(*(assert_each_once_in_order(page, 200) for page in pages))
        assert sum([await page.evaluate("tokens.length") for page in pages]) >= 2


@pytest.mark.deadline(90)
async def test_eight_tabs_that_name_no_user_leave_connections_for_the_site(service: ServiceFactory) -> None:
    """Over HTTP/1.1 there are six: three tabs have streams, the others a WebSocket, and pages load and swap as ever."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        told: list[str] = []
        context.on("console", lambda message: told.append(message.text) if message.type == "warning" else None)
        pages = [await opened(await context.new_page(), proxy, upgradeAfterMs=1000) for _ in range(8)]
        assert (proxy.count_live(STREAM), proxy.count_live(SOCKET)) == (3, 5)
        assert len([line for line in told if "`user`" in line]) == 5
        await Publisher(gateway).send(100)
        await asyncio.gather(*(assert_each_once_in_order(page, 100) for page in pages))
        streams = proxy.count(STREAM)
        for page in pages:
            await page.evaluate("dispatchEvent(new Event('online'))")
        await polling.until(lambda: proxy.count(STREAM) == streams + 3, what="three streams that take over")
        assert proxy.count_live(STREAM) <= (5 if is_busy() else 4)  # the end of one may be seen late
        await polling.until(lambda: proxy.count_live(STREAM) == 3, what="they have taken over")
        await pages.pop(0).close()
        await polling.until(
            lambda: proxy.count_live(SOCKET) == 4, what="another tab has the stream of the one that left"
        )
        await polling.until(lambda: proxy.count_live(STREAM) == 3, what="it is one of three again")
