"""The client in apps that users' bundlers built: eight tabs have one connection by the worker, and show notifications.

In the suite the bundlers that the tests have anyway. `make client-builds` packs the client, installs it in a project
for each bundler, from the registry, and does the same with all of them.
"""

import asyncio
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page

from tests.browser.bench import STREAM, Publisher, chromium, proxied
from tests.browser.bundlers import BUNDLERS, IN_THE_SUITE, WORKER, built, packed
from tests.browser.proxy import Proxy
from tests.client import node
from tests.support.service import ServiceFactory

ALL = os.environ.get("NOTIFY_SSE_CLIENT_BUILDS") == "all"
TABS = 8


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    node.prepared()
    if ALL:
        return packed(tmp_path_factory.mktemp("packed"))
    node.npm("run", "pretest")
    return None


@pytest.mark.deadline(600)
@pytest.mark.parametrize("bundler", BUNDLERS if ALL else IN_THE_SUITE)
async def test_a_bundled_app_shares_one_connection_between_eight_tabs(
    service: ServiceFactory, tmp_path: Path, tarball: Path | None, bundler: str
) -> None:
    pages = await asyncio.to_thread(built, bundler, tmp_path / "app", tarball=tarball)
    gateway = service()
    said: list[str] = []
    async with proxied(gateway, {quote(path): file for path, file in pages.items()}) as proxy, chromium() as browser:
        context = await browser.new_context()
        context.on("console", lambda message: said.append(_told(message)))
        context.on("weberror", lambda error: said.append(str(error.error)))
        if bundler == "esbuild":  # it knows nothing of workers: its user copies the file, and says where it is
            await context.add_init_script(f"window.workerUrl = '/{WORKER}'")
        tabs = [await _opened(context, proxy) for _ in range(TABS)]
        assert {await tab.evaluate("manager.state.shared") for tab in tabs} == {"worker"}, said
        assert proxy.count_live(STREAM) == 1
        await Publisher(gateway).send(3)
        for tab in tabs:
            await tab.wait_for_function("document.getElementById('seen').textContent === '2,1,0'")
            await tab.wait_for_function("document.getElementById('unread').textContent === '3'")
            assert await tab.locator("notify-status [part=text]").inner_text() == "Connected"
    assert [line for line in said if line] == []


async def _opened(context: BrowserContext, proxy: Proxy) -> Page:
    page = await context.new_page()
    await page.goto(f"{proxy.url}/")
    await page.wait_for_function("window.manager?.state.status === 'connected'")
    return page


def _told(message: ConsoleMessage) -> str:
    return message.text if message.type == "error" else ""
