"""The page of README.md, as it stands, in Chromium: its tokens end, and it misses nothing."""

import asyncio
import json
import re
from pathlib import Path

from playwright.async_api import ConsoleMessage, async_playwright

from tests.support.api import Api, notification
from tests.support.polling import until
from tests.support.service import ServiceFactory
from tests.support.services.browsers import Chromium

README = Path(__file__).parents[3] / "README.md"
TOKEN_S = 2.0
COUNT = 40


async def test_the_page_of_the_readme_goes_on_with_each_new_token(service: ServiceFactory, chromium: Chromium) -> None:
    """Tokens of two seconds, and something published all the time: each once, in order, over several tokens."""
    snippet = re.search(r"```html\n<script>\n(.*?)</script>\n```", README.read_text("utf-8"), re.DOTALL)
    assert snippet
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "1"})
    seen: list[int] = []
    minted: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "log":
            pending.append(asyncio.ensure_future(_shown(message)))

    async def _shown(message: ConsoleMessage) -> None:
        document = await message.args[0].json_value()
        seen.append(document["payload"]["n"])

    def new_token() -> str:
        minted.append(running.token("alice", ttl_s=TOKEN_S))
        return minted[-1]

    pending: list[asyncio.Future[None]] = []
    async with Api(running) as api, async_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = await launch(executable_path=chromium.executable_path, args=list(chromium.arguments))
        page = await browser.new_page()
        page.on("console", said)
        await page.expose_function("newToken", new_token)
        async with page.expect_response("**/notifications/stream*"):
            await page.goto(f"{running.url}/healthz")
            await page.evaluate(f"() => {{ {snippet[1]} }}")
        for n in range(COUNT):
            await api.publish_many([notification("alice", payload={"n": n})])
            await asyncio.sleep(0.15)
        await until(lambda: len(seen) >= COUNT, what="all of them", within_s=15)
        await asyncio.gather(*pending)
        await browser.close()
    assert seen == list(range(COUNT)), json.dumps(seen)
    assert len(minted) >= 3
