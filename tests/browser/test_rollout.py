"""A rollout in a real browser: pages follow it by themselves, and the browser's own EventSource is ended for good."""

import asyncio
import sys
from pathlib import Path

from tests.browser.bench import Publisher, assert_each_once_in_order, chromium, opened, proxied, until
from tests.support.service import Service, ServiceFactory

NATIVE = {"/test/native.html": Path(__file__).with_name("native.html")}
STREAMS = "manager.state.transport === 'eventsource'"
POLLS = "manager.state.transport === 'longpoll'"


async def test_a_page_polls_streams_and_polls_again_as_it_is_told(service: ServiceFactory) -> None:
    """0, 100 and 0 percent, by the command. Nothing is lost or doubled at the switches."""
    gateway = service(env={"ROLLOUT_PERCENT": "0", "POLL_AFTER_S": "1"})
    async with proxied(gateway, NATIVE) as proxy, chromium() as browser:
        native = await browser.new_page()
        await native.goto(f"{proxy.url}/test/native.html")
        await native.wait_for_function("window.source?.readyState === EventSource.CLOSED")

        ours = await opened(await browser.new_page(), proxy)
        await until(ours, POLLS)
        publisher = Publisher(gateway)
        await publisher.send(100)
        await assert_each_once_in_order(ours, 100)

        await asyncio.gather(_percent(gateway, 100), publisher.send(100, batch=5, pause_s=0.05))
        await until(ours, STREAMS)
        await assert_each_once_in_order(ours, 200)
        again = await browser.new_page()
        await again.goto(f"{proxy.url}/test/native.html")
        await again.wait_for_function("window.source?.readyState === EventSource.OPEN")

        await asyncio.gather(_percent(gateway, 0), publisher.send(100, batch=5, pause_s=0.05))
        await until(ours, POLLS)
        await assert_each_once_in_order(ours, 300)
        await again.wait_for_function("source.readyState === EventSource.CLOSED")
        assert await ours.evaluate("resets") == []


async def _percent(gateway: Service, percent: int) -> None:
    """As an operator changes it while the service runs."""
    command = [sys.executable, "-m", "notify_sse", "rollout", "--percent", str(percent)]
    process = await asyncio.create_subprocess_exec(*command, env=gateway.env, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
