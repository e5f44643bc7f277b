"""Whose stream is this? Nothing of one user reaches another's page, and nothing stays when he has signed out."""

import pytest
from playwright.async_api import Page

from tests.browser.bench import STREAM, Publisher, assert_each_once_in_order, chromium, opened, proxied, until
from tests.browser.heap import shared_worker_heaps, subjects
from tests.support import polling
from tests.support.service import Service, ServiceFactory

TRANSPORTS = ("eventsource", "fetch", "websocket", "longpoll")
FOLLOW = """async () => {
    const [{ createNotificationStore }, { createBadge }] = await Promise.all(
        ["store", "badge", "notify-inbox", "notify-devtools"].map((name) => import(`/client/${name}.js`)));
    window.store = createNotificationStore(manager);
    window.badge = createBadge(manager);
    store.subscribe(({ items }) => { document.getElementById("unread").textContent = JSON.stringify(items); });
    const shown = ["notify-inbox", "notify-devtools"].map((name) => document.createElement(name));
    for (const element of shown) element.manager = manager;
    document.body.append(...shown);
    [window.inbox, window.panel] = shown;
    inbox.setAttribute("toasts", "*");
    inbox.open();
    panel.shadowRoot.querySelector("details").open = true;
    window.visible = (root = document) => [...root.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot)
        .filter(Boolean).map(visible).concat((root.documentElement ?? root.host).outerHTML, root.innerHTML).join();
}"""
"""A page that shows what it gets, with a badge, the inbox, its toasts, and the panel for developers."""
SHOWN = ("visible()", "JSON.stringify(store.getState())")
SWITCH = """(bob) => {
    manager.switchUser({ user: bob, getToken: async () => (await fetch(`/test/token?sub=${bob}`)).text() });
}"""
HELD = """(async () => JSON.stringify([
    manager.cursor, manager.recipient, manager.state, badge.count,
    ...Object.entries(localStorage), ...Object.entries(sessionStorage),
    ...await indexedDB.databases(), ...await caches.keys(), document.cookie]))()"""
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


@pytest.mark.deadline(120)
@pytest.mark.parametrize("share", ["none", "worker", "leader"])
async def test_nothing_of_the_last_user_stays_after_a_switch(service: ServiceFactory, share: str) -> None:
    """Over no transport: not in the document and its shadow trees, the store, the badge, any storage, the memory of a
    worker, nor in a later page of the next user."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        for transport in TRANSPORTS:
            alice, bob = f"alice-{transport}", f"bob-{transport}"
            options = {"share": share, "transport": transport, "resume": "local"}
            context = await browser.new_context()
            page = await opened(await context.new_page(), proxy, sub=alice, user=alice, **options)
            await page.evaluate(FOLLOW)
            to_alice, to_bob = Publisher(gateway), Publisher(gateway)
            await to_alice.send(20, to=alice)
            await assert_each_once_in_order(page, 20)
            await page.wait_for_function("inbox.shadowRoot.querySelectorAll('li').length === 20")
            for place in (*SHOWN, "inbox.shadowRoot.innerHTML"):
                assert "test-alice" in await page.evaluate(place), place
            if share == "worker":
                assert alice in subjects(await shared_worker_heaps(browser)), "else its absence would say nothing"
            await page.evaluate("badge.markAllRead()")
            await page.evaluate(SWITCH, bob)
            await until(page, f"connected() && manager.recipient === {bob!r}")
            await page.evaluate("seen.length = 0")
            await _assert_nothing_of_alice(page)
            assert "message_of_test" not in await page.evaluate("panel.shadowRoot.textContent"), (
                "it forgets what she got"
            )
            await to_alice.send(5, to=alice)
            await to_bob.send(3, to=bob)
            await assert_each_once_in_order(page, 3)
            await page.wait_for_function(f"document.getElementById('unread').textContent.includes('test-{bob}-2')")
            await _assert_nothing_of_alice(page)
            await opened(page, proxy, sub=bob, user=bob, **options)
            await page.evaluate(FOLLOW)
            await to_bob.send(1, to=bob)
            await assert_each_once_in_order(page, 4, since=3)
            await _assert_nothing_of_alice(page)
            await page.evaluate("manager.signOut()")
            left = "[store.getState().items, localStorage.length, sessionStorage.length]"
            assert await page.evaluate(left) == [[], 0, 0]
            await polling.until(lambda: not proxy.live, what="no connection")
            await context.close()


async def _assert_nothing_of_alice(page: Page) -> None:
    for place in (*SHOWN, HELD):
        assert "alice-" not in await page.evaluate(place), place
    browser = page.context.browser
    assert browser

    async def is_forgotten() -> bool:
        heaps = await shared_worker_heaps(browser)
        return "test-alice-" not in heaps and not any(sub.startswith("alice-") for sub in subjects(heaps))

    await polling.eventually(is_forgotten, what="a worker without a notification or a token of hers", within_s=30)


@pytest.mark.deadline(60)
@pytest.mark.parametrize("transport", TRANSPORTS)
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
