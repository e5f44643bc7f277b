"""The panel for developers: what it says of a connection, and what it never says."""

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.bench import HISTORY, STREAM, Publisher, chromium, opened, proxied
from tests.browser.proxy import Proxy
from tests.browser.test_inbox import finds_nothing, holds, shown
from tests.support.service import ServiceFactory

ADDED = """import('/client/notify-devtools.js').then(() => {
  window.panel = document.createElement('notify-devtools');
  panel.manager = manager;
  (document.querySelector('main') ?? document.body).append(panel);
  window.within = (selector) => [...panel.shadowRoot.querySelectorAll(selector)].map((found) => found.textContent);
  window.fact = (name) => [...panel.shadowRoot.querySelectorAll('tr')]
    .find((row) => row.firstChild.textContent === name)?.lastChild.textContent;
  window.logged = (text) => within('[aria-label^="What happened"] li').some((line) => line.includes(text));
})"""
"""The panel, in the page."""


@pytest.mark.deadline(90)
async def test_the_panel_says_what_a_connection_does_and_never_what_was_sent_or_who_asks(
    service: ServiceFactory,
) -> None:
    """States, transport, cursor, counts, failures and requests, live; no payload, and no token of a URL."""
    gateway = service()
    async with shown(gateway) as (page, _, proxy):
        await page.evaluate(ADDED)
        assert await page.evaluate("within('summary')") == ["notify-sse: connected by eventsource"]
        assert await page.evaluate("within('tr')") == [], "closed, it does nothing"
        await page.evaluate("panel.shadowRoot.querySelector('details').open = true")
        await holds(page, "fact('recipient') === 'alice' && fact('connection') === manager.state.connectionId")
        await Publisher(gateway).send(3)
        await holds(page, "fact('cursor') === manager.cursor && fact('unread') === '3'")
        assert (await page.evaluate("fact('seen')")).startswith("3 notifications, 0 read marks")
        await page.evaluate("manager.markRead(manager.cursor)")
        await holds(page, "fact('unread') === '0' && fact('seen').includes('1 read marks')")
        await holds(page, "logged('read, 0 unread')")
        proxy.refuse[STREAM] = proxy.refuse[HISTORY] = 503
        proxy.cut(STREAM)
        await holds(page, "within('summary')[0].includes('reconnecting') && logged('error:')")
        assert await page.evaluate("fact('error')"), "the last failure stands there while it lasts"
        proxy.refuse.clear()
        await page.evaluate("manager.retryNow()")
        await holds(page, "within('summary')[0] === 'notify-sse: connected by eventsource'")
        await holds(page, "within('[aria-label=Requests] li').some((line) => line.startsWith('/history'))")
        everything = await page.evaluate("panel.shadowRoot.textContent")
        assert "access_token" not in everything
        assert "eyJ" not in everything
        assert "payload" not in everything
        await finds_nothing(page, "the panel")
        await page.evaluate("panel.remove()")
        before = await page.evaluate("panel.shadowRoot.textContent")
        await Publisher(gateway).send(1, to="alice")
        await page.evaluate("manager.retryNow()")
        assert await page.evaluate("panel.shadowRoot.textContent") == before, "taken away, it follows nobody"


async def _sharing(context: BrowserContext, proxy: Proxy, share: str) -> Page:
    """A tab of alice's, with an open panel; bob, in the same tab, shares as well."""
    page = await context.new_page()
    await opened(page, proxy, sub="bob", user="bob", share=share)
    await page.evaluate("(share) => begin({ user: 'alice', share })", share)
    await page.evaluate(ADDED)
    await page.evaluate("panel.shadowRoot.querySelector('details').open = true")
    return page


@pytest.mark.deadline(90)
async def test_the_panel_says_how_a_tab_shares_and_counts_nobody_elses_locks(service: ServiceFactory) -> None:
    """By a worker where there is one; by the tab that leads, with its own followers only."""
    async with proxied(service()) as proxy, chromium() as browser:
        by_worker = await _sharing(await browser.new_context(), proxy, "worker")
        await holds(
            by_worker, "fact('shared') === 'worker' && fact('tabs') === 'by a worker; streams of this browser: 2'"
        )
        context = await browser.new_context()
        first = await _sharing(context, proxy, "leader")
        await holds(first, "fact('tabs') === 'by this tab, 0 following; streams of this browser: 2'")
        second = await _sharing(context, proxy, "leader")
        await holds(second, "fact('tabs') === 'by another tab, 1 following; streams of this browser: 2'")
        await holds(first, "fact('tabs').startsWith('by this tab, 1 following')")
        alone = await _sharing(context, proxy, "none")
        await holds(alone, "fact('tabs').startsWith('not shared; ')")
