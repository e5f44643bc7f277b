"""The page for operators in a real browser: by keyboard, on a phone, by day and by night, under its strict policy."""

import asyncio
from collections.abc import Container
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from tests.browser.bench import chromium
from tests.browser.test_inbox import axe
from tests.support.amqp import publisher
from tests.support.api import Api
from tests.support.service import ServiceFactory

PHONE: Final[dict[str, Any]] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
HOSTILE: Final = '<img src=x onerror="document.title=1">/..?#'
VIEWS: Final = ("Overview", "Connections", "Dead letters", "Revocations", "Trace", "Audit log", "Settings")


async def sign_in(page: Page, url: str, token: str) -> None:
    """By keyboard: the field has the focus."""
    await page.goto(f"{url}/admin")
    await expect(page.get_by_label("Token with the scope")).to_be_focused()
    await page.keyboard.insert_text(token)
    await page.keyboard.press("Enter")


async def go_through_by_keyboard(page: Page) -> None:
    """Every view is reached by Tab and opened by Enter, what has the focus can be seen, and axe finds nothing."""
    for name in VIEWS:
        await tab_to(page, name)
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) != "none", f"{name} has the focus, and nobody sees it"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
    await page.keyboard.press("Shift+Tab")
    await tab_to(page, "Trace")
    await page.keyboard.press("Enter")
    await tab_to(page, "notification_id")
    await page.keyboard.insert_text("order/4711")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("cell", name="written", exact=True)).to_be_visible()
    assert await axe(page) == []


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is named so has the focus: its text, or its label."""
    named = "(document.activeElement.labels?.[0] ?? document.activeElement).innerText.trim()"
    for _ in range(60):
        if (await page.evaluate(named)).split("\n")[0] == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {name}")


async def look_at_every_view(page: Page, *, closely: Container[str] = VIEWS) -> None:
    """Each has what it is to show, and fits the screen; axe finds nothing in those looked at `closely`."""
    for name in VIEWS:
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
        await expect(page.get_by_text("…", exact=True)).to_have_count(0)
        assert "[object" not in await page.inner_text("main"), "an element is no text"
        assert name not in closely or await axe(page) == [], name
        width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], f"{name} is wider than the screen"


@pytest.mark.deadline(120)
async def test_an_operator_sees_and_does_everything_on_the_page(service: ServiceFactory) -> None:
    """Signs in, ends a connection, revokes and undoes, traces, reads the audit log: on a page where no text of others
    becomes markup, and that keeps the token nowhere but in its tab.
    """
    running = await asyncio.to_thread(service)
    token = running.token("ops", scope="notifications:admin")
    async with chromium() as browser, Api(running) as api:
        page = await browser.new_page(color_scheme="dark")
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        async with api.stream(HOSTILE) as stream:
            await stream.event("connected")
            await api.publish(HOSTILE, notification_id="order/4711")
            await stream.event("message")
            await sign_in(page, running.url, "x.y.z")
            await expect(page.get_by_role("alert")).to_contain_text("401")
            await sign_in(page, running.url, token)
            await expect(page.get_by_role("cell", name="up", exact=True)).to_be_visible()
            await expect(page.get_by_text("written / s, at most")).to_be_visible(timeout=60_000)
            await page.get_by_role("link", name=HOSTILE).click()
            await page.get_by_role("button", name="End", exact=True).click()
            assert (await stream.event("closing")).json()["reason"] == "drain"
            await expect(page.get_by_role("status")).to_have_text("Ended.")
        await page.get_by_role("link", name="Revocations").click()
        await page.get_by_label("Subject, or id").fill("mallory")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("cell", name="subject mallory")).to_be_visible()
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("Nothing is revoked.")).to_be_visible()
        await page.get_by_role("link", name="Trace").click()
        await page.get_by_label("notification_id").fill("order/4711")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("cell", name="written", exact=True)).to_be_visible()
        await page.get_by_role("link", name="Audit log").click()
        for action in ("connection.end", "revocation.create", "revocation.undo"):
            await expect(page.get_by_role("cell", name=action)).to_be_visible()
        await look_at_every_view(page)
        assert await page.title() == "notify-sse admin"
        assert token not in await page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
        assert await page.evaluate("Object.keys(sessionStorage).length") == 1
        await page.get_by_role("button", name="Forget token").click()
        await expect(page.get_by_label("Token with the scope")).to_be_focused()
        assert await page.evaluate("Object.keys(sessionStorage).length") == 0
        by_day = await browser.new_page(color_scheme="light")
        await sign_in(by_day, running.url, token)
        await go_through_by_keyboard(by_day)
        phone = await browser.new_page(**PHONE, color_scheme="dark")
        await sign_in(phone, running.url, token)
        await look_at_every_view(phone, closely=("Overview", "Revocations"))
        assert [line for line in said if "status of 401" not in line] == [], "but for the token that was none"


@pytest.mark.deadline(90)
async def test_an_operator_looks_after_the_refused_messages(
    service: ServiceFactory, broker_url: str, amqp_prefix: str
) -> None:
    """Sees the reasons, reads one, whose text stays text; replays one, and removes all of a reason."""
    running = await asyncio.to_thread(service, broker_url=broker_url, amqp_prefix=amqp_prefix)

    def publish() -> None:
        with publisher(broker_url, amqp_prefix) as publishing:
            publishing.publish(HOSTILE.encode(), key="recipient.alice.t")
            publishing.publish(
                b'{"notification_type": "t", "recipient_id": "alice", "payload": {}}', key="recipient.bob.t"
            )

    await asyncio.to_thread(publish)
    async with chromium() as browser:
        page = await browser.new_page(color_scheme="light")
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await sign_in(page, running.url, running.token("ops", scope="notifications:admin"))
        await expect(page.locator("dl").first).to_contain_text("dead letters2", timeout=60_000)
        await page.get_by_role("link", name="Dead letters", exact=True).click()
        message = page.get_by_role("row").filter(has=page.get_by_role("cell", name="recipient.alice.t", exact=True))
        await message.get_by_role("button", name="Show").click()
        await expect(page.locator("pre")).to_have_text(HOSTILE)
        assert await axe(page) == []
        assert await page.title() == "notify-sse admin"
        await message.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("status")).to_have_text("1 replayed.")
        reason = page.get_by_role("row").filter(has=page.get_by_role("link", name="key_mismatch", exact=True))
        await reason.get_by_role("button", name="Purge").click()
        await expect(page.get_by_role("status")).to_have_text("1 removed.")
        await expect(page.get_by_text("key_mismatch")).to_have_count(0)
