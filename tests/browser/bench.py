"""What a browser test stands on: the service, the proxy before it, a browser, and a publisher that never gives up."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx
from playwright.async_api import Browser, async_playwright

from tests.browser.proxy import Proxy
from tests.support.api import bearer
from tests.support.publishers import post_until_accepted
from tests.support.service import Service
from tests.support.services import browsers
from tests.support.timing import is_busy

PAGES = {"/test/page.html": Path(__file__).with_name("page.html")}
STREAM = "/notifications/stream"
SOCKET = "/notifications/ws"
HISTORY = "/notifications/history"


@contextlib.asynccontextmanager
async def chromium(*, bfcache: bool = False) -> AsyncIterator[Browser]:
    """A fresh headless Chromium."""
    installed = await asyncio.to_thread(browsers.chromium)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=installed.executable_path,
            args=list(installed.arguments),
            ignore_default_args=["--disable-back-forward-cache"] if bfcache else None,
        )
        try:
            yield browser
        finally:
            await browser.close()


def proxied(service: Service, pages: dict[str, Path] | None = None) -> Proxy:
    """The proxy in front of `service`; `pages` are served beside the test page."""
    return Proxy(
        service.port,
        pages=PAGES | (pages or {}),
        mint=lambda sub, ttl_s: service.token(sub, ttl_s=ttl_s),
    )


class Scripted(Protocol):
    """A page of any browser: Playwright's, or one of wire.py."""

    async def goto(self, url: str, /) -> Any: ...
    async def evaluate(self, expression: str, /) -> Any: ...
    async def wait_for_function(self, expression: str, /, *, timeout: float, polling: float) -> Any: ...  # noqa: ASYNC109


AnyPage = TypeVar("AnyPage", bound=Scripted)


async def opened(page: AnyPage, proxy: Proxy, **options: Any) -> AnyPage:
    """The test page with a manager of `options`, connected."""
    await page.goto(f"{proxy.url}/test/page.html?begin={quote(json.dumps(options))}")
    await until(page, "connected()")
    return page


async def until(page: Scripted, condition: str, *, within_s: float = 20) -> None:
    """Returns once the JavaScript `condition` holds; fails with the page's own account when it does not."""
    try:
        await page.wait_for_function(condition, timeout=within_s * 1000, polling=50)
    except Exception as exc:
        account = await page.evaluate("JSON.stringify({states: states.slice(-12), errors, seen: seen.length, tokens})")
        raise AssertionError(f"not within {within_s:g} s: {condition}; the page: {account}") from exc


class Publisher:
    """Publishes over HTTP, straight to the service, with the same ids until it is accepted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sent = 0
        self._token = service.token("tests", scope="notifications:publish")

    async def send(self, count: int, *, to: str = "alice", batch: int = 100, pause_s: float = 0) -> None:
        """`count` notifications whose payload's `n` goes on from the last one sent."""
        numbers = range(self._sent, self._sent + count)
        self._sent += count
        async with httpx.AsyncClient(base_url=self._service.url, headers=bearer(self._token), timeout=30) as client:
            for start in range(0, count, batch):
                await post_until_accepted(client, [_notification(n, to) for n in numbers[start : start + batch]])
                await asyncio.sleep(pause_s)


def _notification(n: int, to: str) -> dict[str, Any]:
    return {
        "notification_id": f"test-{to}-{n}",
        "notification_type": "message_of_test",
        "recipient_id": to,
        "payload": {"n": n},
    }


async def assert_each_once_in_order(page: Scripted, count: int, *, within_s: float = 30, since: int = 0) -> None:
    """The page has seen `since` … `count - 1`, each once and in order, and nothing else."""
    expected = list(range(since, count))
    with contextlib.suppress(AssertionError):
        await until(page, f"seen.length >= {len(expected)}", within_s=within_s)
    seen = await page.evaluate("seen")
    assert seen == expected, _difference(seen, expected)
    assert await page.evaluate("errors") == []


async def assert_unnoticed(page: Scripted) -> None:
    """The page was told of nothing but `connected`. A token of 3 s leaves its next stream half of them: on a busy
    machine, that may be too short once.
    """
    told = await page.evaluate("states.map(({ status }) => status)")
    assert sum(status != "connected" for status in told) <= (3 if is_busy() else 0), told


def _difference(seen: Iterable[int], expected: list[int]) -> str:
    seen = list(seen)
    missing = sorted(set(expected) - set(seen))
    repeated = len(seen) - len(set(seen))
    ordered = seen == sorted(seen)
    return f"{len(seen)} seen, {len(missing)} missing ({missing[:5]} …), {repeated} repeated, in order: {ordered}"
