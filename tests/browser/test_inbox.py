"""The inbox in a real browser, under a strict content security policy with Trusted Types; for eyes, ears and keys."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page

from tests.browser.bench import HISTORY, STREAM, Publisher, chromium, proxied
from tests.browser.proxy import Proxy
from tests.client import node
from tests.support import polling
from tests.support.api import bearer
from tests.support.publishers import post_until_accepted
from tests.support.service import Service, ServiceFactory

HERE = Path(__file__).parent
PAGES = {"/test/inbox.html": HERE / "inbox.html", "/test/inbox.js": HERE / "inbox.js"}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def holds(page: Page, condition: str) -> None:
    """Returns once the JavaScript `condition` holds. Playwright's own way is forbidden by the page's policy."""
    await polling.eventually(lambda: page.evaluate(condition), what=condition, within_s=20)


@contextlib.asynccontextmanager
async def shown(gateway: Service) -> AsyncIterator[tuple[Page, Browser, Proxy]]:
    async with proxied(gateway, PAGES) as proxy, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/inbox.html")
        await holds(page, "window.connected?.()")
        yield page, browser, proxy
        assert await page.evaluate("[violations, errors]") == [[], []]


async def _publish(gateway: Service, kind: str, **payload: str) -> None:
    notification = {"notification_type": kind, "recipient_id": "alice", "payload": payload}
    headers = bearer(gateway.token("tests", scope="notifications:publish"))
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers) as client:
        await post_until_accepted(client, [notification])


async def axe(page: Page) -> list[Any]:
    """What axe finds in the page, shadow trees included."""
    node.prepared()
    await page.evaluate((node.FOLDER / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    found = await page.evaluate("(options) => axe.run(document, options)", RULES)
    return [(one["id"], [place["html"][:200] for place in one["nodes"]]) for one in found["violations"]]


@pytest.mark.deadline(90)
async def test_it_is_worked_by_keys_alone(service: ServiceFactory) -> None:
    """Tab to the bell, open, go through the items, read one, mark one unread, mark all, close: the focus comes back."""
    gateway = service()
    async with shown(gateway) as (page, _, _proxy):
        await Publisher(gateway).send(5)
        await holds(page, "inbox.unread === 5")
        await page.keyboard.press("Tab")
        assert await page.evaluate("inside('[part=bell]')[0].ariaLabel") == "Notifications, 5 unread"
        await page.keyboard.press("Enter")
        await holds(page, "inside('li').length === 5")
        assert await _focused(page) == 4, "the newest one"
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await holds(page, "inbox.unread === 4 && chosen[0] === 3")
        assert await _focused(page) == 3, "the focus stays where it was"
        await page.keyboard.press("End")
        assert await _focused(page) == 0
        await page.keyboard.press("Tab")
        assert await page.evaluate("inbox.shadowRoot.activeElement.ariaLabel") == "Mark as read"
        await page.keyboard.press("Enter")
        await holds(page, "inbox.unread === 3")
        await page.keyboard.press("Enter")
        await holds(page, "inbox.unread === 4")
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        assert await _focused(page) == 4, "from an item's button the keys go on among the items"
        await _back_to(page, "mark-all")
        await page.keyboard.press("Enter")
        await holds(page, "inbox.unread === 0 && inside('[part~=unread]').length === 0")
        await page.keyboard.press("Escape")
        assert await page.evaluate("inbox.shadowRoot.activeElement.part.value") == "bell"
        assert await page.evaluate("inside('[part=panel]')[0].checkVisibility()") is False


async def _back_to(page: Page, part: str) -> None:
    """Shift and Tab until the button `part` has the focus."""
    for _ in range(6):
        await page.keyboard.press("Shift+Tab")
        if await page.evaluate("inbox.shadowRoot.activeElement?.part.value") == part:
            return
    pytest.fail(f"no way back to {part}")


async def _focused(page: Page) -> int:
    """The number in the item that has the focus: the fifth one published says 4."""
    got: int = await page.evaluate(
        "manager.history().then(({ items }) => items.find(({ cursor }) => "
        "cursor === inbox.shadowRoot.activeElement.dataset.cursor)?.payload.n)"
    )
    return got


@pytest.mark.deadline(120)
async def test_axe_finds_nothing_in_the_light_the_dark_and_from_right_to_left(service: ServiceFactory) -> None:
    """Whatever there is to see: nothing yet, what fails to load, items and toasts, the banner in trouble."""
    gateway = service()
    async with shown(gateway) as (page, _, proxy):
        assert await axe(page) == []
        await page.evaluate("inbox.open()")
        assert await page.evaluate("inside('[part=note]')[0].textContent") == "Nothing yet"
        await finds_nothing(page, "empty")
        proxy.refuse[HISTORY] = 503
        await page.evaluate("inside('[part=older]')[0].click()")
        await holds(page, "inside('[part=note]')[0].textContent.includes('cannot be loaded')")
        await finds_nothing(page, "error")
        proxy.refuse.clear()
        await Publisher(gateway).send(2)
        await _publish(gateway, "loud", title="Loud")
        await holds(page, "inside('li').length === 3 && inside('[part=toast]').length === 1")
        await page.evaluate("inside('[part=toast]')[0].dispatchEvent(new Event('pointerenter'))")  # it stays
        await page.evaluate("inside('[data-act=toggle]')[1].click()")
        await finds_nothing(page, "items and a toast")
        assert await page.evaluate("inside('[part=toast]').length") == 1
        await page.evaluate("document.dir = 'rtl', document.documentElement.lang = 'de', inbox.lang = 'de'")
        assert await page.evaluate("inside('[part=mark-all]')[0].textContent") == "Alle als gelesen markieren"
        await finds_nothing(page, "from right to left")
        box = await page.evaluate("inside('[part=panel]')[0].getBoundingClientRect().toJSON()")
        assert box["left"] >= 0, "it is within the window"
        assert box["right"] <= (page.viewport_size or {"width": 0})["width"]
        await page.evaluate("document.documentElement.lang = inbox.lang = 'es', inbox.close()")
        assert await page.evaluate("inside('[part=mark-all]')[0].textContent") == "Marcar todo como leído"
        assert await page.evaluate("inside('[part=bell]')[0].ariaLabel") == "Notificaciones, 2 sin leer"
        proxy.refuse[""] = 503
        proxy.cut(STREAM)
        await holds(page, f"{BANNER}.dataset.status === 'reconnecting' && !{BANNER}.querySelector('button').hidden")
        await finds_nothing(page, "a banner in trouble")


@pytest.mark.deadline(90)
async def test_axe_finds_nothing_in_a_banner_that_is_offline_or_has_given_up(service: ServiceFactory) -> None:
    async with shown(service()) as (page, _, proxy):
        await page.evaluate("dispatchEvent(new Event('offline'))")
        await holds(page, f"{BANNER}.dataset.status === 'offline' && !{BANNER}.querySelector('button').hidden")
        await finds_nothing(page, "offline")
        proxy.refuse[""] = 401
        proxy.cut(STREAM)
        await page.evaluate("dispatchEvent(new Event('online'))")
        await holds(page, f"{BANNER}.dataset.status === 'failed' && !{BANNER}.querySelector('button').hidden")
        await finds_nothing(page, "given up")


BANNER = "document.querySelector('notify-status').shadowRoot.querySelector('[part=banner]')"


async def finds_nothing(page: Page, what: str) -> None:
    """axe, in the light and in the dark."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        assert await axe(page) == [], f"{what}, {scheme}"
    await page.emulate_media(color_scheme="light")


async def test_older_ones_come_page_by_page_and_a_reload_shows_what_is_stored(service: ServiceFactory) -> None:
    gateway = service()
    async with shown(gateway) as (page, _, proxy):
        await Publisher(gateway).send(50)
        await holds(page, "inbox.unread === 50")  # else what was missed comes beside the newest page
        await page.goto(f"{proxy.url}/test/inbox.html")
        await holds(page, "window.connected?.()")
        await page.evaluate("inbox.open()")
        await holds(page, "inside('li').length === 20")
        await page.evaluate("inside('[part=scroll]')[0].scrollTop = 1e6")
        await holds(page, "inside('li').length === 40")
        assert await page.evaluate("inside('[part=end]')[0].checkVisibility()") is False
        await page.evaluate("inside('[part=older]')[0].click()")
        await holds(page, "inside('li').length === 50 && inside('[part=older]')[0].hidden")
        assert await page.evaluate("inside('[part=end]')[0].innerText") == "That is all"
        numbers = "new Set(inside('li').map((item) => item.dataset.cursor)).size"
        assert await page.evaluate(numbers) == 50, "each once"


async def test_what_fails_to_load_is_said_and_can_be_tried_again(service: ServiceFactory) -> None:
    gateway = service()
    async with shown(gateway) as (page, _, proxy):
        await page.evaluate("inbox.open()")
        assert await page.evaluate("inside('[part=note]')[0].textContent") == "Nothing yet"
        proxy.refuse[HISTORY] = 503
        await page.evaluate("inside('[part=older]')[0].click()")
        await holds(page, "inside('[part=note]')[0].textContent.includes('cannot be loaded')")
        proxy.refuse.clear()
        await page.evaluate("inside('[part=older]')[0].click()")
        await holds(page, "inside('[part=note]')[0].textContent === 'Nothing yet'")


TONES = """{
  window.tones = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...at) { tones += 1; return start.apply(this, at); };
  null;
}"""
"""Counts what is played."""


async def test_items_are_shown_as_the_page_wants_and_only_as_text(service: ServiceFactory) -> None:
    """A payload is text, whatever is in it. A page's own renderer, words and toasts take effect at once."""
    gateway = service()
    async with shown(gateway) as (page, _, _proxy):
        await page.evaluate(TONES)
        await _publish(gateway, "plain", title="<img src=x onerror=alert(1)>")
        await _publish(gateway, "loud", title="Loud")
        await page.evaluate("inbox.open()")
        await holds(page, "inside('li').length === 2")
        assert await page.evaluate("inside('[part=list] img').length") == 0
        assert await page.evaluate("inside('[part=title]').map((it) => it.textContent)") == [
            "Loud",
            "<img src=x onerror=alert(1)>",
        ]
        assert await page.evaluate("inside('[part=toast-open]').map((it) => it.textContent)") == ["Loud"]
        assert await page.evaluate("tones") == 0, "no sound unless the page wants it"
        await page.evaluate("inbox.setAttribute('sound', '')")
        await _publish(gateway, "plain", title="Quiet")
        await _publish(gateway, "loud", title="Louder")
        await holds(page, "inside('li').length === 4 && inside('[part=toast-open]').at(-1)?.textContent === 'Louder'")
        assert await page.evaluate("tones") == 2, "two for the one toast"
        await page.evaluate("inbox.renderers = { plain: () => 'mine' }, inbox.texts = { title: 'Post' }")
        assert await page.evaluate("inside('h2')[0].textContent") == "Post"
        assert await page.evaluate("inside('[part=body]')[1].textContent.includes('mine')")


async def test_what_arrives_is_spoken_with_toasts_and_without_and_not_more_often_than_can_be_said(
    service: ServiceFactory,
) -> None:
    gateway = service()
    async with shown(gateway) as (page, _, _proxy):
        await page.evaluate(
            "window.spoken = [], new MutationObserver(() => spoken.push(inside('[role=status]')[0].textContent))"
            ".observe(inside('[role=status]')[0], { childList: true }), null"
        )
        await _publish(gateway, "plain", title="One")
        await holds(page, "spoken.length === 1")
        await Publisher(gateway).send(3)
        await holds(page, "spoken.length === 2")
        await _publish(gateway, "plain", title="$& of another")
        await holds(page, "spoken.length === 3")
        assert await page.evaluate("spoken") == [
            "New notification: One",
            "Notifications, 4 unread",
            "New notification: $& of another",
        ]


DESKTOP = """{
  Object.assign(window, { asked: 0, shownThere: [] });
  window.Notification = class {
    static permission = "default";
    static requestPermission = async () => {
      window.asked += 1;
      Notification.permission = "granted";
    };
    constructor(title) { shownThere.push(title); }
  };
  null;
}"""
"""A desktop that notes what it is asked for, and grants it."""


async def test_the_desktop_is_asked_for_by_a_click_only_and_used_while_the_page_is_hidden(
    service: ServiceFactory,
) -> None:
    gateway = service()
    async with shown(gateway) as (page, _, _proxy):
        await page.evaluate(DESKTOP)
        await page.evaluate("inbox.open()")
        assert await page.evaluate("inside('[part=desktop]')[0].hidden"), "the page does not want it"
        await page.evaluate("inbox.close(), inbox.setAttribute('desktop', ''), inbox.open()")
        await _publish(gateway, "plain", title="Before")
        await holds(page, "inside('li').length === 1")
        assert await page.evaluate("[asked, shownThere, inside('[part=desktop]')[0].hidden]") == [0, [], False]
        await page.locator("notify-inbox [part=desktop]").click()
        await holds(page, "asked === 1 && inside('[part=desktop]')[0].hidden")
        await _publish(gateway, "plain", title="Seen")
        await holds(page, "inside('li').length === 2")
        await page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
        await _publish(gateway, "plain", title="Away")
        await holds(page, "shownThere.length")
        assert await page.evaluate("[asked, shownThere]") == [1, ["Away"]]


async def test_nothing_of_a_user_who_signed_out_stays_in_it(service: ServiceFactory) -> None:
    gateway = service()
    async with shown(gateway) as (page, _, _proxy):
        await _publish(gateway, "loud", title="canary-of-alice")
        await page.evaluate("inbox.open()")
        await holds(page, "inbox.shadowRoot.textContent.includes('canary-of-alice')")
        await page.evaluate("manager.signOut(), inbox.open()")
        kept = "inbox.shadowRoot.textContent + JSON.stringify({ ...sessionStorage, ...localStorage })"
        assert "canary" not in await page.evaluate(kept)
        assert await page.evaluate("inbox.unread") == 0
