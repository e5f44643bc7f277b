"""What is read on one device is read on every other one, and each shows the same number."""

import asyncio
from statistics import median

import pytest
from playwright.async_api import Page

from tests.browser.bench import Publisher, assert_each_once_in_order, chromium, opened, proxied, until
from tests.browser.test_inbox import PAGES, holds
from tests.support.service import ServiceFactory
from tests.support.timing import is_busy

ROUNDS = 10
WITHIN_MS = 200
"""From the click on one device until the other shows it: each one of so many rounds."""
BUSY_WITHIN_MS = 5000
"""On a machine with more to do than it has processors, less than half of the rounds may take up to so long."""
CLOCK = """window.nowMs = () => performance.timeOrigin + performance.now(),
window.nothingLeft = () => new Promise((resolve) => {
  const observer = new MutationObserver(() => inbox.unread || (observer.disconnect(), resolve(nowMs())));
  observer.observe(inbox.shadowRoot, { subtree: true, childList: true, attributes: true, characterData: true });
}), null"""
"""When the badge has gone, on the clock that both pages have."""


@pytest.mark.deadline(90)
async def test_two_devices_show_the_same_number_and_what_is_read_on_one_is_read_on_the_other(
    service: ServiceFactory,
) -> None:
    """Two contexts share nothing but the service. Read on one: the other shows it within 200 ms, and a third that comes
    later too."""
    gateway = service()
    async with proxied(gateway, PAGES) as proxy, chromium() as browser:
        pages = [await (await browser.new_context()).new_page() for _ in range(2)]
        for page in pages:
            await page.goto(f"{proxy.url}/test/inbox.html")
            await holds(page, "window.connected?.()")
            await page.evaluate("inbox.open()")
        publisher = Publisher(gateway)
        await publisher.send(4)
        for page in pages:
            await holds(page, "inbox.unread === 4 && inside('li').length === 4")
        first, second = pages
        await first.evaluate("inside('[data-act=toggle]')[1].click()")
        await holds(second, "inbox.unread === 3 && inside('[part~=unread]').length === 3")
        await first.evaluate("inside('[part=mark-all]')[0].click()")
        await holds(second, "inbox.unread === 0")
        await holds(second, "inside('[part~=unread]').length === 0")
        third = await (await browser.new_context()).new_page()
        await third.goto(f"{proxy.url}/test/inbox.html")
        await holds(third, "window.connected?.()")
        await third.evaluate("inbox.open()")
        await holds(third, "inside('li').length === 4 && inside('[part~=unread]').length === 0 && inbox.unread === 0")
        took_ms = [await _read_on(first, publisher, shown_on=second) for _ in range(ROUNDS)]
        print(f"ms until the other device shows it: median {median(took_ms):.0f}, {sorted(map(round, took_ms))}")
        assert sum(ms > WITHIN_MS for ms in took_ms) <= (ROUNDS // 2 - 1 if is_busy() else 0), took_ms
        assert max(took_ms) <= BUSY_WITHIN_MS, took_ms


async def _read_on(device: Page, publisher: Publisher, *, shown_on: Page) -> float:
    """How long it takes, in ms, from the click that marks a new one as read until the other device shows 0."""
    await publisher.send(1)
    for page in (device, shown_on):
        await holds(page, "inbox.unread === 1")
        await page.evaluate(CLOCK)
    await shown_on.evaluate("(window.shown = nothingLeft(), 0)")
    clicked_ms: float = await device.evaluate("[nowMs(), inside('[part=mark-all]')[0].click()][0]")
    shown_ms: float = await shown_on.evaluate("shown")
    return shown_ms - clicked_ms


DEVICE = """import('/client/store.js').then(({ createNotificationStore }) => {
  window.store = createNotificationStore(manager, { keep: 20000 });
  window.marked = 0;
  window.view = () => store.getState();
  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  // Every fifth one is read, each second of those here; as often as it takes until the service has it. Four at a time.
  const lane = async (first, of) => {
    for (let n = first; n < of; n += 40) {
      while (seen.length <= n) await rest(20);
      while (!(await manager.markRead([`test-alice-${n}`]).then(() => true, () => false))) await rest(50);
      marked += 1;
    }
  };
  window.readEveryFifth = (mine, of) => [0, 10, 20, 30].map((at) => lane(5 * mine + at, of)).length;
})"""
"""A page with a store, which reads as it goes."""
NOTIFICATIONS = 5_000


@pytest.mark.deadline(240)
async def test_5_000_notifications_and_1_000_read_marks_survive_the_gateway_killed_twice(
    service: ServiceFactory,
) -> None:
    """Two devices of one user read while it floods and the gateway dies without a word. In the end both hold each
    notification once and in order, the same ones are read on both, and both show the number that the service has."""
    gateway = service(env={"HEARTBEAT_S": "1"})
    async with proxied(gateway) as proxy, chromium() as browser:
        pages = [await opened(await (await browser.new_context()).new_page(), proxy, user="alice") for _ in range(2)]
        for mine, page in enumerate(pages):
            await page.evaluate(DEVICE)
            await page.evaluate(f"readEveryFifth({mine}, {NOTIFICATIONS})")
        sending = asyncio.create_task(Publisher(gateway).send(NOTIFICATIONS, batch=50, pause_s=0.02))
        for part in (3, 2):
            await until(pages[0], f"seen.length > {NOTIFICATIONS // part} && marked > 100", within_s=90)
            await asyncio.to_thread(gateway.restart)
        await sending
        for page in pages:
            await assert_each_once_in_order(page, NOTIFICATIONS, within_s=60)
            await until(page, f"marked === {NOTIFICATIONS // 10}", within_s=90)
        left = NOTIFICATIONS - NOTIFICATIONS // 5
        for page in pages:
            await until(page, f"view().unread === {left} && view().countedBy === 'service'")
            await until(page, f"view().items.filter(({{ read }}) => !read).length === {left}")
            wrong = "view().items.filter(({ read, payload }) => Boolean(read) !== (payload.n % 5 === 0)).length"
            assert await page.evaluate(f"[view().items.length, {wrong}]") == [NOTIFICATIONS, 0]
            assert await page.evaluate("states.some(({ status }) => status === 'reconnecting')")
