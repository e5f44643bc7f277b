"""Whose stream is this? Nothing of one user reaches another's page, and nothing stays when he has signed out."""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.bench import STREAM, Publisher, assert_each_once_in_order, chromium, opened, proxied, until
from tests.support import polling
from tests.support.service import Service, ServiceFactory

WAYS: list[dict[str, Any]] = [
    *({"share": "none", "transport": name} for name in ("eventsource", "fetch", "websocket", "longpoll")),
    {"share": "worker"},
    {"share": "leader"},
]
FOLLOW = """async () => {
    const [{ createNotificationStore }, { createBadge }] = await Promise.all(
        ["store", "badge"].map((name) => import(`/client/${name}.js`)));
    window.store = createNotificationStore(manager);
    window.badge = createBadge(manager);
    store.subscribe(({ items }) => { document.getElementById("unread").textContent = JSON.stringify(items); });
}"""
"""A page that shows what it gets, with a badge."""
SHOWN = "document.documentElement.outerHTML + JSON.stringify(store.getState())"
HELD = """JSON.stringify([
    manager.cursor, manager.recipient, manager.state, badge.count,
    ...Object.entries(localStorage), ...Object.entries(sessionStorage)])"""
SESSION = """async (token) => (await fetch("/notifications/session", {
    method: "POST", headers: { authorization: `Bearer ${token}` } })).status"""


@pytest.mark.parametrize("share", ["worker", "leader"])
async def test_tabs_that_name_the_same_user_and_bring_tokens_of_two_do_not_share(
    service: ServiceFactory, share: str
) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        alices = await opened(await context.new_page(), proxy, sub="alice", user="me", share=share)
        bobs = await opened(await context.new_page(), proxy, sub="bob", user="me", share=share)
        assert [await page.evaluate("manager.recipient") for page in (alices, bobs)] == ["alice", "bob"]
        await Publisher(gateway).send(10, to="alice")
        await Publisher(gateway).send(5, to="bob")
        await assert_each_once_in_order(alices, 10)
        await assert_each_once_in_order(bobs, 5)
        assert proxy.count_live(STREAM) == 2


@pytest.mark.deadline(60)
@pytest.mark.parametrize("options", WAYS, ids=lambda options: options.get("transport", options["share"]))
async def test_nothing_of_the_last_user_stays_after_a_switch(service: ServiceFactory, options: dict[str, Any]) -> None:
    """Not in the document, the store, the badge, the storage, a worker, nor in a later page of the next user."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, sub="alice", user="alice", resume="local", **options)
        await page.evaluate(FOLLOW)
        to_alice, to_bob = Publisher(gateway), Publisher(gateway)
        await to_alice.send(20, to="alice")
        await assert_each_once_in_order(page, 20)
        await page.wait_for_function("document.getElementById('unread').textContent.includes('test-alice-19')")
        await page.evaluate("badge.markAllRead()")
        await page.evaluate(
            "manager.switchUser({ user: 'bob', getToken: async () => (await fetch('/test/token?sub=bob')).text() })"
        )
        await until(page, "connected() && manager.recipient === 'bob'")
        await page.evaluate("seen.length = 0")
        assert "test-alice" not in await page.evaluate(SHOWN)
        assert "alice" not in await page.evaluate(HELD)
        await to_alice.send(5, to="alice")
        await to_bob.send(3, to="bob")
        await assert_each_once_in_order(page, 3)
        await page.wait_for_function("document.getElementById('unread').textContent.includes('test-bob-2')")
        assert "test-alice" not in await page.evaluate(SHOWN)
        await opened(page, proxy, sub="bob", user="bob", resume="local", **options)
        await page.evaluate(FOLLOW)
        await to_bob.send(1, to="bob")
        await assert_each_once_in_order(page, 4, since=3)
        assert "test-alice" not in await page.evaluate(SHOWN)
        assert "alice" not in await page.evaluate(HELD)
        await page.evaluate("manager.signOut()")
        assert await page.evaluate("[store.getState().items, localStorage.length, sessionStorage.length]") == [[], 0, 0]
        await polling.until(lambda: not proxy.count_live(STREAM), what="no stream")


@pytest.mark.deadline(60)
@pytest.mark.parametrize("transport", ["eventsource", "fetch", "websocket", "longpoll"])
async def test_a_cookie_that_another_tab_replaced_gives_nothing(service: ServiceFactory, transport: str) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        context = await browser.new_context()
        other = await context.new_page()
        await other.goto(f"{proxy.url}/test/page.html")
        await _sign_in(other, gateway, "alice")
        page = await opened(await context.new_page(), proxy, cookie=True, user="me", share="none", transport=transport)
        await Publisher(gateway).send(3, to="alice")
        await assert_each_once_in_order(page, 3)
        await _sign_in(other, gateway, "bob")
        await Publisher(gateway).send(5, to="bob")
        await page.evaluate("dispatchEvent(new Event('online'))")
        proxy.cut("/notifications/")
        await until(page, "manager.state.status === 'failed'")
        assert await page.evaluate("[manager.state.reason, seen.length]") == ["other_user", 3]
        with pytest.raises(Exception, match="another user's"):
            await page.evaluate("manager.history()")
        fresh = await opened(await context.new_page(), proxy, cookie=True, user="me", transport=transport)
        assert await fresh.evaluate("manager.recipient") == "bob"


async def test_a_cursor_that_the_last_user_left_in_the_tab_is_not_used(service: ServiceFactory) -> None:
    """He closed no page and signed out of nothing: the next user gets what comes from now on, and no failure."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, sub="alice", user="me", share="none")
        await Publisher(gateway).send(3, to="alice")
        await assert_each_once_in_order(page, 3)
        to_bob = Publisher(gateway)
        await to_bob.send(3, to="bob")
        await opened(page, proxy, sub="bob", user="me", share="none")
        await to_bob.send(1, to="bob")
        await assert_each_once_in_order(page, 4, since=3)
        assert await page.evaluate("[manager.recipient, manager.state.status]") == ["bob", "connected"]


async def _sign_in(page: Page, gateway: Service, sub: str) -> None:
    assert await page.evaluate(SESSION, gateway.token(sub)) == 200
