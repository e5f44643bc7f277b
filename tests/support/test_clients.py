"""What browser and Node tests stand on: Chromium starts and runs a page's script; Node finds its packages."""

from playwright.sync_api import sync_playwright

from tests.support.services.browsers import Chromium
from tests.support.services.nodejs import Node


def test_chromium_runs_a_script(chromium: Chromium) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable_path, args=list(chromium.arguments))
        page = browser.new_page()
        page.set_content("<title>before</title><script>document.title = typeof EventSource</script>")
        assert page.title() == "function"
        browser.close()


def test_node_finds_the_packages_of_the_test_clients(node: Node) -> None:
    script = "import('eventsource').then(({ EventSource }) => console.log(typeof EventSource))"
    assert node.run("--input-type=module", "--eval", script).strip() == "function"
