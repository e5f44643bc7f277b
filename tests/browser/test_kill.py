"""The gateway is killed under a flood, whatever the transport."""

import asyncio

import pytest

from tests.browser.bench import Publisher, assert_each_once_in_order, chromium, opened, proxied
from tests.support.service import ServiceFactory


@pytest.mark.deadline(150)
@pytest.mark.parametrize(
    ("transports", "share", "count"),
    [
        (["eventsource"], "none", 5000),
        (["eventsource"], "worker", 2000),
        (["eventsource"], "leader", 2000),
        (["fetch", "websocket", "longpoll"], "none", 1000),
    ],
)
async def test_a_flood_survives_the_gateway_killed_twice(
    service: ServiceFactory, transports: list[str], share: str, count: int
) -> None:
    """The page of each transport gets each notification once and in order, though the gateway dies without a word and
    comes back.
    """
    gateway = service(env={"HEARTBEAT_S": "1"})
    async with proxied(gateway) as proxy, chromium() as browser:
        pages = {
            transport: await opened(await browser.new_page(), proxy, transport=transport, user="alice", share=share)
            for transport in transports
        }
        sending = asyncio.create_task(Publisher(gateway).send(count, batch=20, pause_s=0.02))
        for received in (count // 3, count // 2):
            for page in pages.values():
                await page.wait_for_function(f"seen.length > {received}", timeout=30_000)
            await asyncio.to_thread(gateway.restart)
        await sending
        for transport, page in pages.items():
            await assert_each_once_in_order(page, count)
            assert await page.evaluate("states.some(({ status }) => status === 'reconnecting')")
            assert await page.evaluate("manager.state.transport") == transport
