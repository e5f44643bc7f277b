"""What is read on one device is read on every other one, and each shows the same number."""

import pytest

from tests.browser.bench import Publisher, chromium, proxied
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
