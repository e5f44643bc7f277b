"""What is read on one device is read on every other one, and each shows the same number."""

import asyncio

import pytest

from tests.browser.bench import Publisher, assert_each_once_in_order, chromium, opened, proxied, until
from tests.browser.test_inbox import PAGES, holds
from tests.support.service import ServiceFactory


@pytest.mark.deadline(90)
async def test_two_devices_show_the_same_number_and_what_is_read_on_one_is_read_on_the_other(
    service: ServiceFactory,
) -> None:
    """Two contexts share nothing but the service. Read on one: the other shows it, and a third that comes later too."""
    gateway = service()
    async with proxied(gateway, PAGES) as proxy, chromium() as browser:
        pages = [await (await browser.new_context()).new_page() for _ in range(2)]
        for page in pages:
            await page.goto(f"{proxy.url}/test/inbox.html")
            await holds(page, "window.connected?.()")
            await page.evaluate("inbox.open()")
        await Publisher(gateway).send(4)
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
NOTIFICATIONS = 10_000


@pytest.mark.deadline(240)
async def test_10_000_notifications_and_2_000_read_marks_survive_the_gateway_killed_twice(
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
