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
from tests.browser.bundlers import BUNDLERS, IN_THE_SUITE, WORKER, built, developed, packed
from tests.client import node
from tests.support.polling import until
from tests.support.service import ServiceFactory

ALL = os.environ.get("NOTIFY_SSE_CLIENT_BUILDS") == "all"
TABS = 8
FRAMEWORKS = ("vue", "svelte")
"""By our adapters; a component connects while it is mounted. React is in the apps of Next, and in test_views.py."""


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    node.prepared()
    node.npm("run", "pretest")
    return packed(tmp_path_factory.mktemp("packed")) if ALL else None


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
        tabs = [await _opened(context, f"{proxy.url}/") for _ in range(TABS)]
        assert {await tab.evaluate("manager.state.shared") for tab in tabs} == {"worker"}, said
        assert proxy.count_live(STREAM) == 1
        await Publisher(gateway).send(3)
        for tab in tabs:
            await tab.wait_for_function("document.getElementById('seen').textContent === '2,1,0'")
            await tab.wait_for_function("document.getElementById('unread').textContent === '3'")
            assert await tab.locator("notify-status [part=text]").inner_text() == "Connected"
        if bundler in FRAMEWORKS:
            for tab in tabs:
                await tab.evaluate("unmount()")
            await until(lambda: proxy.count_live(STREAM) == 0, what="the end of the stream, with its last component")
    assert [line for line in said if line] == []


@pytest.mark.deadline(120)
@pytest.mark.usefixtures("tarball")
async def test_vites_development_server_finds_the_worker_once_it_does_not_bundle_the_package_beforehand(
    service: ServiceFactory, tmp_path: Path
) -> None:
    """As docs/how-to/browser-builds.md says: without that, the tabs share all the same, by a leader tab."""
    assert EXCLUDED in GUIDE.read_text(encoding="utf-8")
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        for way, options in (("leader", {}), ("worker", {"optimizeDeps": {"exclude": ["notify-sse"]}})):
            with developed(tmp_path / way, behind=proxy.url, options=options) as url:
                context = await browser.new_context()
                tabs = [await _opened(context, url) for _ in range(2)]
                shared = {await tab.evaluate("manager.state.shared") for tab in tabs}
                assert shared <= {way, "follower"}, shared
                assert proxy.count_live(STREAM) == 1
                await context.close()


GUIDE = Path(__file__).parents[2] / "docs/how-to/browser-builds.md"
EXCLUDED = '`optimizeDeps: { exclude: ["notify-sse"] }`'


def test_the_guide_names_the_version_of_each_bundler_that_is_built_with() -> None:
    table = GUIDE.read_text(encoding="utf-8")
    for bundler in BUNDLERS.values():
        name, version = bundler.packages[0].split("@")
        assert f" {name} {version}" in table, name


async def _opened(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_function("window.manager?.state.status === 'connected'")
    return page


def _told(message: ConsoleMessage) -> str:
    return message.text if message.type == "error" else ""
