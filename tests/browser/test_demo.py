"""The demo page, used as a person would use it: everything published arrives, whatever is broken meanwhile."""

import contextlib
import functools
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Error, Page, Route

from tests.browser.bench import chromium
from tests.browser.test_inbox import finds_nothing
from tests.support.service import Service
from tests.support.timing import is_busy

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
TARGETS = "a:visible, button:visible, select:visible, summary:visible, input:visible:not([type=radio])"
SMALL = """(all) => all.filter((it) => {
    const { width, height } = it.getBoundingClientRect();
    return width < 44 || height < 44;
}).map((it) => it.outerHTML)"""
NAMES = {
    "eventsource": "Server-Sent Events",
    "fetch": "fetch streaming",
    "websocket": "WebSocket",
    "longpoll": "long polling",
}


@pytest.fixture
def development(tmp_path: Path) -> Iterator[Service]:
    """The service as `make run` starts it: with no key configured."""
    running = Service(tmp_path / "service")
    del running.env["NOTIFY_SSE_JWT_SECRET"]
    running.env["NOTIFY_SSE_STATE_DIR"] = str(tmp_path)
    running.env["NOTIFY_SSE_HEARTBEAT_S"] = "1"
    running.start()
    yield running
    running.kill()


@contextlib.asynccontextmanager
async def shown(service: Service, **options: Any) -> AsyncIterator[Page]:
    """The page, connected; fails on any error in its console."""
    async with chromium() as browser:
        page = await browser.new_page(**options)
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        await page.goto(service.url + "/")
        await _log_has(page, "Connected by")
        yield page
        expected = ("net::ERR_", "Failed to load resource")  # what the browser itself says of broken connections
        assert [line for line in said if not any(part in line for part in expected)] == []


async def _log_has(page: Page, text: str) -> None:
    await page.locator("#log li", has_text=text).first.wait_for(timeout=60_000)


async def _counts_are(page: Page, sent: int) -> None:
    """All of `sent` have arrived, none twice, none out of order."""
    try:
        await page.wait_for_function(
            "(sent) => document.getElementById('count-sent').textContent === sent"
            " && document.getElementById('count-received').textContent === sent",
            arg=f"{sent:,}",
            timeout=60_000,
        )
    except Error as exc:
        texts = [await page.locator(it).inner_text() for it in (".counts", "#trouble", "#how", "#log")]
        raise AssertionError(f"not {sent:,} of them; the page: " + " | ".join(texts)) from exc
    for name in ("missing", "repeated", "disordered"):
        assert await page.locator(f"#count-{name}").inner_text() == "0", name


async def test_each_type_is_drawn_as_what_it_is(development: Service) -> None:
    async with shown(development) as page:
        assert "shared: leader" in await page.locator("#how").inner_text(), "tabs share, unless told otherwise"
        await page.click("#one-each")
        await _counts_are(page, 3)
        titles = await page.locator("#list .card strong").all_inner_texts()
        assert [title.split(" ")[0] for title in titles] == ["System", "Account", "Message"]
        await page.get_by_label("System Alert").check()
        await page.select_option("[name=severity]", "critical")
        await page.fill("[name=text]", "<b>Fire</b> & flood")
        await page.get_by_role("button", name="Publish").click()
        await _counts_are(page, 4)
        first = page.locator("#list .card").first
        assert await first.get_attribute("data-severity") == "critical"
        assert "<b>Fire</b> & flood" in await first.inner_text(), "text is text"
        await page.wait_for_function("document.getElementById('inbox').unread === 2")  # alerts go to a topic
        await page.click("#read")
        await page.wait_for_function("document.getElementById('inbox').unread === 0")
        assert not await page.locator("#inbox [part=badge]").is_visible()


@pytest.mark.deadline(240)
async def test_a_flood_survives_every_button_that_breaks_things(development: Service) -> None:
    async with shown(development) as page:
        await page.click("#flood")
        await page.click("#cut")
        await _log_has(page, "You cut the connection")
        await _counts_are(page, 1000)
        await page.click("#stall")
        await page.click("#flood")
        await _log_has(page, "Reconnecting (stalled")
        await page.click("#stall")
        await _counts_are(page, 2000)
        await page.click("#unplug")
        await page.click("#flood")
        await _log_has(page, "Offline")
        lines = await page.locator("#log li").all_inner_texts()
        unplugged, offline = (
            next(n for n, line in enumerate(lines) if text in line) for text in ("unplugged", "Offline")
        )
        assert unplugged > offline, "the newest line is the first"
        await _counts_are(page, 3000)
        await _log_has(page, "Connected by")
        await page.evaluate("document.getElementById('log').replaceChildren()")
        await page.click("#expire")
        await page.click("#flood")
        await _log_has(page, "a second stream takes over")
        await _counts_are(page, 4000)
        noticed = await page.locator("#log li", has_text="Reconnecting").all_inner_texts()
        assert len(noticed) <= (3 if is_busy() else 0), f"it is seamless: {noticed}"
        await page.fill("#back", "100")
        await page.click("#rewind")
        await _counts_are(page, 4000)


@pytest.mark.parametrize("transport", ["fetch", "websocket", "longpoll"])
async def test_other_transports_are_broken_and_recover_too(development: Service, transport: str) -> None:
    async with shown(development) as page:
        await page.select_option("#transport", transport)
        await _log_has(page, f"Connected by {NAMES[transport]}")
        await page.click("#one-each")
        await _counts_are(page, 3)
        await page.click("#cut")
        await page.click("#flood")
        await _counts_are(page, 1003)


@pytest.mark.parametrize("transport", ["eventsource", "fetch", "websocket", "longpoll"])
async def test_what_the_client_closed_is_no_connection_to_cut(development: Service, transport: str) -> None:
    async with shown(development) as page:
        await page.evaluate("document.getElementById('log').replaceChildren()")
        await page.select_option("#transport", transport)
        await _log_has(page, f"Connected by {NAMES[transport]}")
        await _connections_are(page, 1)
        await page.click("#unplug")
        await _log_has(page, "Offline")
        await _connections_are(page, 0)
        await page.click("#cut")
        await _log_has(page, "There is no connection of this tab to cut")


async def _connections_are(page: Page, count: int) -> None:
    """The demo knows of so many connections of its page."""
    await page.wait_for_function(
        "async (count) => (await import('/demo/breaks.js')).connections() === count", arg=count, timeout=60_000
    )


async def test_a_publish_that_is_refused_for_load_is_tried_again(development: Service) -> None:
    """So is the question for its token; and what no trying again can mend is said."""
    async with shown(development) as page:
        problem = json.dumps({"title": "Not now", "detail": "later, please"})
        for address, status in (("**/demo/token", 503), ("**/notifications", 429), ("**/notifications", 503)):
            answer = functools.partial(Route.fulfill, status=status, content_type="application/json", body=problem)
            await page.route(address, answer, times=1)
        await page.click("#one-each")
        await _counts_are(page, 3)
        assert await page.locator("#trouble").inner_text() == ""
        answer = functools.partial(Route.fulfill, status=422, content_type="application/json", body=problem)
        await page.route("**/notifications", answer, times=1)
        await page.click("#one-each")
        await page.locator("#trouble", has_text="later, please").wait_for()


async def test_what_a_worker_holds_cannot_be_broken_from_the_page_which_says_so(development: Service) -> None:
    async with shown(development) as page:
        await page.select_option("#share", "worker")
        assert await page.locator("#cut").is_disabled()
        assert "worker" in (await page.locator("#stall").get_attribute("title") or "")
        await page.select_option("#share", "none")
        assert await page.locator("#cut").is_enabled()


async def test_older_ones_come_as_long_as_there_are_some(development: Service) -> None:
    async with shown(development) as page:
        await page.click("#flood")
        await _counts_are(page, 1000)
        for shown_count in range(80, 281, 20):
            await page.click("#older")
            await page.locator(f"#list .card:nth-child({shown_count})").wait_for()


async def test_a_new_log_is_counted_from_anew(development: Service) -> None:
    """Its ids begin at one again: that is no disorder, the bell counts on, and older ones are those of the new log."""
    async with shown(development) as page:
        await page.click("#one-each")
        await page.click("#one-each")
        await _counts_are(page, 6)
        async with page.expect_response("**/notifications/read"):
            await page.click("#read")
        development.kill()
        for file in development.directory.glob("notify-sse.db*"):
            file.unlink()
        development.start()
        await _log_has(page, "Reset (unknown_epoch)")
        await page.click("#one-each")
        await _counts_are(page, 9)
        await page.wait_for_function("document.getElementById('inbox').unread === 2")  # alerts go to a topic
        await page.click("#older")
        await page.wait_for_function("document.getElementById('older').disabled")


async def test_it_fits_a_phone_and_its_controls_have_names(development: Service) -> None:
    async with shown(development, **PHONE) as page:
        await page.click("#one-each")
        await _counts_are(page, 3)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.click("#flood")
        await page.evaluate("scrollTo(0, 500)")
        assert await page.locator(".counts").evaluate("(it) => it.getBoundingClientRect().top >= 0"), "in sight"
        badge = page.locator("#inbox [part=badge]")
        await badge.filter(has_text="99+").wait_for()
        assert await badge.evaluate("(it) => it.getBoundingClientRect().right <= innerWidth")
        await page.click("#device")
        await page.get_by_text("The same from a shell").click()
        targets = page.locator(f"{TARGETS}, .types span")
        assert await targets.evaluate_all(SMALL) == []
        assert await targets.count() > 30
        await page.get_by_text("The same from a shell").click()
        breaks = await page.locator(".breaks").bounding_box()
        log = await page.locator(".log").bounding_box()
        assert breaks
        assert log
        assert log["y"] + log["height"] - breaks["y"] <= 740, "what a button does is seen on the screen that it is on"
        # In one step: what the flood brings moves them under whoever looks at them one by one. What is not shown yet,
        # such as the panel of a device that has just been added, may have no words yet.
        nameless = "(it) => !(it.ariaLabel || it.labels?.length || it.textContent.trim())"
        shown_without = f"(all) => all.filter((it) => it.checkVisibility() && ({nameless})(it)).length"
        assert await page.locator("button, input, select").evaluate_all(shown_without) == 0


async def test_after_a_reload_it_shows_what_is_stored_and_a_second_device_has_it_too(development: Service) -> None:
    """What is stored is no news: it is not counted as received."""
    async with shown(development) as page:
        await page.click("#one-each")
        await _counts_are(page, 3)
        await page.reload()
        await page.wait_for_function("document.querySelectorAll('#list .card').length === 3")
        assert await page.locator("#count-received").inner_text() == "0"
        await page.locator("#inbox [part=bell]").click()
        await page.locator("#inbox li").nth(2).wait_for()
        await page.click("#device")
        await page.locator("#second [part=bell]").click()
        await page.locator("#second li").nth(2).wait_for()
        await _unread_are(page, 2, of=("inbox", "second"))  # alerts go to a topic
        await page.locator("#second li").last.locator("[data-act=toggle]").click()  # the message
        await _unread_are(page, 1, of=("second", "inbox"))
        await page.keyboard.press("Escape")
        await page.locator("#inbox [part=bell]").click()
        await page.locator("#inbox [part=mark-all]").click()
        await _unread_are(page, 0, of=("inbox", "second"))
        await page.keyboard.press("Escape")
        await page.click("#device")
        assert not await page.locator("#second").is_visible()


async def _unread_are(page: Page, count: int, *, of: tuple[str, ...]) -> None:
    """Each of those inboxes says so, one after the other."""
    for name in of:
        await page.wait_for_function(
            "([name, count]) => document.getElementById(name).unread === count", arg=[name, count], timeout=20_000
        )


async def test_axe_finds_nothing_on_it_in_the_light_and_in_the_dark(development: Service) -> None:
    """With an inbox open, then with the second device's, and with what was folded unfolded."""
    async with shown(development) as page:
        await page.click("#one-each")
        await _counts_are(page, 3)
        await page.locator("#inbox [part=bell]").click()
        await finds_nothing(page, "an inbox")
        await page.keyboard.press("Escape")
        await page.click("#device")
        await page.locator("#second [part=bell]").click()
        await page.locator("#second li").nth(2).wait_for()
        await page.evaluate("document.getElementById('commands').open = true")
        await page.wait_for_function("document.getElementById('curl-stream').textContent.includes('Bearer ey')")
        await finds_nothing(page, "two devices, unfolded")


async def test_the_shell_lines_can_be_pasted(development: Service) -> None:
    """They hold a token that works."""
    async with shown(development) as page:
        await page.get_by_text("The same from a shell").click()
        await page.wait_for_function("document.getElementById('curl-stream').textContent.includes('Bearer ey')")
        line = await page.locator("#curl-stream").inner_text()
        token = line.split("Bearer ")[1].split("'")[0]
        answer = await page.request.get(
            f"{development.url}/notifications/history", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status == 200


async def test_its_footer_leads_to_the_documentation_and_to_its_code(development: Service) -> None:
    """All of it is served here; in the documentation one page leads to the next."""
    async with shown(development) as page:
        links = await page.locator("footer a").evaluate_all("(all) => all.map((it) => it.href)")
        for link in links:
            assert link.startswith(f"{development.url}/"), link
            assert (await page.request.get(link)).status == 200, link
        await page.get_by_role("link", name="Documentation").click()
        await page.get_by_role("link", name="The first notification").click()
        await page.locator("pre", has_text="# The first notification").wait_for()
        assert await page.locator("h1").inner_text() == "docs/tutorial/first-notification.md"
        await finds_nothing(page, "a page of the documentation")
        await page.goto(f"{development.url}/demo/read.html?page=docs/none.md")
        await page.get_by_text("An installed package has the README alone").wait_for()
