"""The tutorial's page, as it is printed."""

import re
from pathlib import Path

from tests.browser.bench import chromium, proxied
from tests.support.service import ServiceFactory

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial/browser.md"


async def test_the_ten_lines_of_the_tutorial_show_a_notification(service: ServiceFactory, tmp_path: Path) -> None:
    """With nothing changed but the service's address and the token, which the reader puts in."""
    found = re.search(r"```html\n(<!doctype html>.*?)```", TUTORIAL.read_text(), re.DOTALL)
    assert found
    printed = found[1]
    assert len(printed.splitlines()) <= 10
    gateway = service()
    hello = tmp_path / "hello.html"
    async with proxied(gateway, {"/test/hello.html": hello}) as proxy, chromium() as browser:
        hello.write_text(
            printed.replace("http://127.0.0.1:8000", proxy.url).replace("TOKEN", gateway.token("alice", ttl_s=240))
        )
        page = await browser.new_page()
        await page.goto(f"{proxy.url}/test/hello.html")
        await page.wait_for_function("sessionStorage.length")  # its cursor: it is connected
        answer = await page.request.post(
            f"{gateway.url}/notifications",
            headers={"Authorization": f"Bearer {gateway.token('tests', scope='notifications:publish')}"},
            data={"recipient_id": "alice", "notification_type": "new_message", "payload": {"text": "hello, browser"}},
        )
        assert answer.status == 201
        await page.get_by_text("hello, browser").wait_for()
