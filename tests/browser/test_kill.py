"""The gateway is killed under a flood, whatever the transport."""

import asyncio

import pytest

from tests.browser.bench import Publisher, assert_each_once_in_order, chromium, opened, proxied
from tests.support.service import ServiceFactory


@pytest.mark.deadline(150)
@pytest.mark.parametrize(
    ("transport", "share", "count"),
    [
        ("eventsource", "none", 5000),
        ("eventsource", "worker", 2000),
        ("eventsource", "leader", 2000),
        ("fetch", "none", 1000),
        ("websocket", "none", 1000),
        ("longpoll", "none", 1000),
    ],
)
async def test_a_flood_survives_the_gateway_killed_twice(
    service: ServiceFactory, transport: str, share: str, count: int
) -> None:
    """The page gets each notification once and in order, though the gateway dies without a word and comes back."""
    gateway = service(env={"HEARTBEAT_S": "1"})
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, transport=transport, user="alice", share=share)
        publisher = Publisher(gateway)
        sending = asyncio.create_task(publisher.send(count, batch=20, pause_s=0.02))
        for part in (3, 2):
            await page.wait_for_function(f"seen.length > {count // 3 if part == 3 else count // 2}", timeout=30_000)
            await asyncio.to_thread(gateway.restart)
        await sending
        await assert_each_once_in_order(page, count)
        assert await page.evaluate("states.some(({ status }) => status === 'reconnecting')")
        assert await page.evaluate("manager.state.transport") == transport
