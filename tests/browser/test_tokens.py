"""Tokens that end, cookies, and pages of another origin."""

import asyncio

import httpx
import pytest

from tests.browser.bench import (
    SOCKET,
    STREAM,
    Publisher,
    assert_each_once_in_order,
    assert_unnoticed,
    chromium,
    opened,
    proxied,
    until,
)
from tests.support import polling
from tests.support.service import ServiceFactory
from tests.support.services import free_port


@pytest.mark.deadline(120)
async def test_tokens_that_end_every_3_s_go_unnoticed(service: ServiceFactory) -> None:
    """Nothing is lost or repeated, and the page is never told of anything but `connected`."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, ttlS=3)
        await page.evaluate("states.length = 0")
        await Publisher(gateway).send(300, batch=1, pause_s=0.05)
        await assert_each_once_in_order(page, 300)
        await assert_unnoticed(page)
        assert len(await page.evaluate("tokens.filter((reason) => reason === 'expiring')")) >= 4
        assert proxy.count(STREAM) >= 4
        assert proxy.count_live(STREAM) <= 2


@pytest.mark.parametrize("transport", ["fetch", "websocket"])
@pytest.mark.deadline(60)
async def test_tokens_that_end_are_swapped_on_other_transports_too(service: ServiceFactory, transport: str) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, ttlS=3, transport=transport)
        await page.evaluate("states.length = 0")
        await Publisher(gateway).send(200, batch=1, pause_s=0.05)
        await assert_each_once_in_order(page, 200)
        await assert_unnoticed(page)
        if transport == "websocket":
            assert proxy.count(SOCKET) == 1, "it goes on with a new token"


async def test_with_tickets_no_url_holds_a_token(service: ServiceFactory) -> None:
    """Each stream asks for a ticket of its own: at the start, for a new token, and after a cut."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, ttlS=3, tokenIn="ticket", user="alice")
        publisher = Publisher(gateway)
        await publisher.send(20)
        await until(page, "tokens.includes('expiring')")
        await polling.until(lambda: proxy.count(STREAM) >= 2, what="a second stream")
        proxy.cut(STREAM)
        await publisher.send(20)
        await assert_each_once_in_order(page, 40)
        assert await page.evaluate("manager.state.transport") == "eventsource"
        streams = [exchange.target for exchange in proxy.requests if exchange.path == STREAM]
        assert len({target.partition("ticket=")[2] for target in streams}) == len(streams) >= 3
        assert not any("token=" in exchange.target for exchange in proxy.requests)


async def test_a_token_that_is_refused_twice_ends_in_failed_with_what_to_do(service: ServiceFactory) -> None:
    """The page learns that it has to sign in, though EventSource does not tell it the status."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        await page.evaluate("begin({ ttlS: -10 })")
        await until(page, "manager.state.status === 'failed'")
        state = await page.evaluate("manager.state")
        assert (state["reason"], state["retryAt"]) == ("unauthorized", None)
        assert "Sign in" in state["message"]
        assert await page.evaluate("tokens") == ["connect", "unauthorized"]


async def test_a_session_cookie_is_enough_and_its_end_is_noticed(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        begun = await page.evaluate(
            """async (token) => (await fetch("/notifications/session", {
                 method: "POST", headers: { authorization: `Bearer ${token}` },
               })).status""",
            gateway.token("alice"),
        )
        assert begun == 200
        await page.evaluate("begin({ cookie: true })")
        await until(page, "connected()")
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)
        await page.evaluate("fetch('/notifications/session', { method: 'DELETE' })")
        await until(page, "manager.state.status === 'failed'")
        assert await page.evaluate("manager.state.reason") == "unauthorized"


@pytest.mark.parametrize("transport", ["eventsource", "fetch", "websocket", "longpoll"])
async def test_a_page_of_another_origin_is_served_when_it_is_on_the_list(
    service: ServiceFactory, transport: str
) -> None:
    """The page comes from the proxy's origin, its notifications straight from the service."""
    port = free_port()
    gateway = service(port=port, env={"CORS_ORIGINS": "http://allowed.localhost"}, wait_ready=True)
    async with proxied(gateway) as proxy, chromium() as browser:
        gateway.kill()
        gateway.env["NOTIFY_SSE_CORS_ORIGINS"] = proxy.url
        await asyncio.to_thread(gateway.start)
        page = await opened(await browser.new_page(), proxy, transport=transport, url=f"{gateway.url}/notifications")
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)
        items = await page.evaluate("manager.history({ limit: 3 }).then((page) => page.items.map((i) => i.payload.n))")
        assert items == [9, 8, 7]
        assert proxy.count(STREAM) == 0
        async with httpx.AsyncClient() as client:
            refused = await client.get(f"{gateway.url}/healthz", headers={"Origin": "http://evil.example"})
            assert "access-control-allow-origin" not in refused.headers
