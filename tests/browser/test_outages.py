"""What breaks between a page and the service: refusing proxies, silence, no network, frozen pages, reloads."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import websockets
from playwright.async_api import Page

from tests.browser.bench import (
    HISTORY,
    SOCKET,
    STREAM,
    Publisher,
    assert_each_once_in_order,
    chromium,
    opened,
    proxied,
    until,
)
from tests.browser.wire import raw_chromium
from tests.support import polling
from tests.support.api import bearer
from tests.support.service import Service, ServiceFactory

NATIVE = {"/test/native.html": Path(__file__).with_name("native.html")}

WHAT_IS_WRONG = "/client/src/trouble.js"
"""The module that names what is wrong. It is fetched once a stream is up."""


@pytest.mark.deadline(90)
@pytest.mark.parametrize("status", [502, 503])
async def test_a_proxy_that_answers_5xx_during_a_deploy_ends_native_eventsource_for_ever_but_not_us(
    service: ServiceFactory, status: int
) -> None:
    """Side by side: both pages lose their stream, both are answered with an error, and one of them comes back."""
    gateway = service()
    async with proxied(gateway, NATIVE) as proxy, chromium() as browser:
        native = await browser.new_page()
        await native.goto(f"{proxy.url}/test/native.html")
        await native.wait_for_function("window.source?.readyState === 1")
        ours = await opened(await browser.new_page(), proxy)
        publisher = Publisher(gateway)
        await publisher.send(100)
        await assert_each_once_in_order(ours, 100)
        proxy.refuse[""] = status
        assert proxy.cut(STREAM) == 2
        await native.wait_for_function("source.readyState === EventSource.CLOSED")
        await until(ours, "manager.state.status === 'reconnecting' && manager.state.attempt >= 2")
        await publisher.send(100)
        proxy.refuse.clear()
        await assert_each_once_in_order(ours, 200)
        assert await ours.evaluate("manager.state.transport") == "eventsource", "the transport was not to blame"
        assert await native.evaluate("[source.readyState, seen.length]") == [2, 100], "it has given up"


async def test_a_stream_that_falls_silent_is_noticed_by_its_missing_heartbeats(service: ServiceFactory) -> None:
    """Nothing is closed, nothing comes: after two heartbeats and a second it is opened anew."""
    gateway = service(env={"HEARTBEAT_S": "0.5"})
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy)
        await page.evaluate(f"import({WHAT_IS_WRONG!r}).then(() => null)")
        proxy.stall()
        await Publisher(gateway).send(50)
        await until(page, "states.some(({ reason }) => reason === 'stalled')", within_s=30)
        proxy.flow()
        await assert_each_once_in_order(page, 50)


async def test_a_silent_stream_is_opened_anew_also_when_it_cannot_be_fetched_what_is_wrong(
    service: ServiceFactory,
) -> None:
    """The module for trouble hangs from the beginning, as all may on such a network: the page comes back."""
    gateway = service(env={"HEARTBEAT_S": "0.5"})
    async with proxied(gateway) as proxy, chromium() as browser:
        proxy.swallow.add(WHAT_IS_WRONG)
        page = await opened(await browser.new_page(), proxy, baseMs=100)
        proxy.stall()
        await Publisher(gateway).send(50)
        await until(page, "states.some(({ status }) => status === 'reconnecting')", within_s=30)
        proxy.flow()
        await assert_each_once_in_order(page, 50)


async def test_the_newest_page_comes_late_when_what_reads_it_could_not_be_fetched_at_first(
    service: ServiceFactory,
) -> None:
    """`initial`: the page is live without it. With the next connection it is read, and nothing is told twice."""
    gateway = service()
    publisher = Publisher(gateway)
    await publisher.send(3)
    async with proxied(gateway) as proxy, chromium() as browser:
        proxy.refuse["/client/src/initial.js"] = 503
        page = await opened(await browser.new_page(), proxy, initial=20)
        await publisher.send(1)
        await until(page, "seen.length === 1")
        proxy.refuse.clear()
        proxy.cut(STREAM)
        await until(page, "seen.length === 4")
        await publisher.send(1)
        await until(page, "seen.length === 5")
        assert await page.evaluate("seen") == [3, 0, 1, 2, 4]


@pytest.mark.parametrize("share", ["none", "worker", "leader"])
async def test_a_page_that_is_told_that_there_is_no_network_before_it_has_a_connection(
    service: ServiceFactory, share: str
) -> None:
    """Told while it begins, and what it needs for a connection is under way. It holds until `online`."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/page.html")
        await page.evaluate(f"""begin({{ user: 'alice', share: {share!r} }});
            window.dispatchEvent(new Event('offline'))""")
        await until(page, "manager.state.status === 'offline'")
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await until(page, "connected()", within_s=30)
        await Publisher(gateway).send(10)
        await assert_each_once_in_order(page, 10)


async def test_off_the_network_and_on_again(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy)
        await page.context.set_offline(True)
        await until(page, "manager.state.status === 'offline'", within_s=30)
        await Publisher(gateway).send(50)
        assert await page.evaluate("seen") == []
        await page.context.set_offline(False)
        await until(page, "connected()", within_s=30)
        await assert_each_once_in_order(page, 50)


@pytest.mark.parametrize("share", ["none", "worker", "leader"])
async def test_a_page_that_slept_frozen_catches_up(service: ServiceFactory, share: str) -> None:
    """Hidden and frozen through the devtools protocol, as a browser does it to pages that sleep: nothing is missing,
    also when the stream that it shares went on in the meantime."""
    gateway = service()
    async with proxied(gateway) as proxy, raw_chromium() as browser:
        page = await opened(await browser.new_page(), proxy, user="alice", share=share)
        awake = await opened(await browser.new_page(), proxy, user="alice", share=share)
        assert await page.evaluate("document.hidden")
        publisher = Publisher(gateway)
        await publisher.send(50)
        await asyncio.gather(*(assert_each_once_in_order(tab, 50) for tab in (page, awake)))
        await page.freeze()
        await polling.until(lambda: proxy.count_live(STREAM) == 1, what="one stream, of the page that is awake")
        await publisher.send(300)
        await assert_each_once_in_order(awake, 350)
        await page.thaw()
        await publisher.send(50)
        await asyncio.gather(*(assert_each_once_in_order(tab, 400) for tab in (page, awake)))
        assert "paused" in await page.evaluate("states.map(({ status }) => status)")


@pytest.mark.parametrize("share", ["none", "worker", "leader"])
async def test_a_page_from_the_back_forward_cache_goes_on_where_it_was(service: ServiceFactory, share: str) -> None:
    """It is the same page, not a new one, and it has missed nothing."""
    gateway = service()
    async with proxied(gateway) as proxy, chromium(bfcache=True) as browser:
        page = await opened(await browser.new_page(), proxy, user="alice", share=share)
        publisher = Publisher(gateway)
        await publisher.send(20)
        await assert_each_once_in_order(page, 20)
        await page.evaluate("window.isTheSamePage = true")
        await page.goto(f"{proxy.url}/test/page.html")
        await polling.until(lambda: proxy.count_live(STREAM) == 0, what="the end of its stream")
        await publisher.send(20)
        await page.go_back(wait_until="commit")
        assert await page.evaluate("window.isTheSamePage") is True
        await assert_each_once_in_order(page, 40)


@pytest.mark.parametrize("share", ["none", "worker", "leader"])
@pytest.mark.parametrize("resume", ["session", "local"])
async def test_a_reload_goes_on_from_the_last_cursor(service: ServiceFactory, resume: str, share: str) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, resume=resume, user="alice", share=share)
        publisher = Publisher(gateway)
        await publisher.send(20)
        await assert_each_once_in_order(page, 20)
        address = page.url
        await page.goto("about:blank")
        await publisher.send(20)
        await page.goto(address)
        await assert_each_once_in_order(page, 40, since=20)


async def test_without_resume_a_reload_starts_now(service: ServiceFactory) -> None:
    gateway = service()
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy, resume="none")
        publisher = Publisher(gateway)
        await publisher.send(20)
        await assert_each_once_in_order(page, 20)
        await page.reload()
        await until(page, "connected()")
        await publisher.send(5)
        await assert_each_once_in_order(page, 25, since=20)


@pytest.mark.deadline(90)
async def test_a_restored_copy_resets_every_kind_of_client(service: ServiceFactory) -> None:
    """The database is restored to an older state, and given a new epoch, as the how-to says. Each client that comes
    back is told what may be missing: ours, Chromium's own EventSource, a WebSocket and a long poll. Ours gets what is
    stored; all go on live.
    """
    gateway = service(env={"RETRY_MS": "300"})
    async with proxied(gateway, NATIVE) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy)
        native = await browser.new_page()
        await native.goto(f"{proxy.url}/test/native.html")
        await native.wait_for_function("window.source?.readyState === 1")
        publisher = Publisher(gateway)
        await publisher.send(10)
        copy = await asyncio.to_thread(_copy_of_the_database, gateway)
        await publisher.send(10)
        await assert_each_once_in_order(page, 20)
        await native.wait_for_function("seen.length === 20")
        cursor = await page.evaluate("manager.cursor")
        proxy.down = True
        gateway.kill()
        await asyncio.to_thread(_restore, gateway, copy)
        await asyncio.to_thread(gateway.start)
        await publisher.send(5)
        proxy.down = False
        await until(page, "resets.length === 1")
        reset = await page.evaluate("resets[0]")
        assert reset["reason"] == "unknown_epoch"
        assert [item["payload"]["n"] for item in reset["items"]] == [24, 23, 22, 21, 20, *range(9, -1, -1)]
        await native.wait_for_function("resets.length === 1 && source.readyState === 1")
        assert await native.evaluate("resets[0].reason") == "unknown_epoch"
        assert await _told_by_websocket(gateway, cursor) == "unknown_epoch"
        assert await _told_by_long_poll(gateway, cursor) == "unknown_epoch"
        await until(page, "connected()")
        await publisher.send(5)
        for each in (page, native):
            await each.wait_for_function("seen.length === 25", timeout=60_000)
            assert await each.evaluate("seen.slice(20)") == [25, 26, 27, 28, 29]
        assert await _resumes_in_the_new_epoch(page)


def _copy_of_the_database(gateway: Service) -> Path:
    """While it is written to."""
    copy = gateway.directory / "copy.db"
    with (
        contextlib.closing(sqlite3.connect(gateway.directory / "notify-sse.db")) as database,
        contextlib.closing(sqlite3.connect(copy)) as other,
    ):
        database.backup(other)
    return copy


def _restore(gateway: Service, copy: Path) -> None:
    for file in gateway.directory.glob("notify-sse.db*"):
        file.unlink()
    copy.rename(gateway.directory / "notify-sse.db")
    command = [sys.executable, "-m", "notify_sse", "migrate", "--new-epoch", "--yes"]
    subprocess.run(command, env=gateway.env, check=True, capture_output=True)


async def _told_by_websocket(gateway: Service, cursor: str) -> str:
    """The reason of the reset, for one that comes back with `cursor`."""
    query = urlencode({"access_token": gateway.token("alice", ttl_s=200), "last_event_id": cursor})
    async with websockets.connect(f"{gateway.url.replace('http', 'ws')}{SOCKET}?{query}", proxy=None) as socket:
        while (told := json.loads(await socket.recv()))["event"] != "reset":
            pass
    return str(told["data"]["reason"])


async def _told_by_long_poll(gateway: Service, cursor: str) -> str:
    async with httpx.AsyncClient(base_url=gateway.url, headers=bearer(gateway.token("alice"))) as http:
        answer = await http.get(HISTORY, params={"after": cursor, "wait": "20"}, timeout=30)
    return str(answer.json()["reset"]["reason"])


async def _resumes_in_the_new_epoch(page: Page) -> bool:
    return bool(await page.evaluate("manager.cursor.split('.')[0] === resets[0].to.split('.')[0]"))


@pytest.mark.deadline(90)
async def test_a_drain_is_followed_to_the_next_gateway(service: ServiceFactory) -> None:
    """SIGTERM: the stream says `closing`; the page comes back by itself and counts no failure for it."""
    gateway = service(env={"DRAIN_S": "1"})
    async with proxied(gateway) as proxy, chromium() as browser:
        page = await opened(await browser.new_page(), proxy)
        publisher = Publisher(gateway)
        await publisher.send(50)
        await until(page, "seen.length === 50")
        await asyncio.sleep(1)  # a connection of under a second would not count as established
        await asyncio.to_thread(lambda: gateway.terminate(within_s=15))
        await until(page, "states.some(({ reason }) => reason === 'drain')")
        await asyncio.to_thread(gateway.start)
        await publisher.send(50)
        await assert_each_once_in_order(page, 100)
