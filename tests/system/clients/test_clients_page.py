"""The clients of docs/reference/clients.md, run as they stand there, over a kill and a drain of the service."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import ServiceFactory
from tests.support.services.nodejs import Node
from tests.support.services.processes import spawn

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "clients.md"
ENV = {"RETRY_MS": "200", "DRAIN_S": "2"}


def _example(language: str) -> str:
    """The only block of that language."""
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert isinstance(block, str)
    return block


@pytest.mark.deadline(150)  # refused just after a start, a client is told to wait for up to 10 s
async def test_the_documented_clients_show_each_notification_once(
    service: ServiceFactory, node: Node, tmp_path: Path
) -> None:
    """In order, the ones too that were published while they were away; and no reset. Both beside each other."""
    running = await asyncio.to_thread(service, env=ENV)
    env = running.env | {"URL": running.url, "TOKEN": running.token("alice")}
    logs = [tmp_path / "js.log", tmp_path / "python.log"]
    clients = [
        node.start(["--input-type=module", "--eval", _example("js")], log=logs[0], env=env),
        spawn([sys.executable, "-c", _example("python")], log=logs[1], env=env, cwd=tmp_path),
    ]
    published = 0

    async with Api(running) as api:

        async def connected() -> bool:
            return await api.metric("notify_sse_streams") == len(clients)

        async def shown() -> bool:
            return all(len(log.read_text().split()) >= published for log in logs)

        try:
            for end in (None, running.kill, lambda: running.terminate(within_s=30)):
                if end:
                    await asyncio.to_thread(end)
                    await asyncio.to_thread(running.start)
                for wait_first in (not end, True):
                    # After an end, the first are published before anybody is back.
                    if wait_first:
                        await eventually(connected, what="both streams")
                    numbers = range(published, published + 10)
                    await api.publish_many([notification("alice", payload={"n": n}) for n in numbers])
                    published += 10
                    await eventually(shown, what=f"{published} notifications", within_s=30)
            assert all(client.alive for client in clients)
        finally:
            for client in clients:
                client.kill()
    for log in logs:
        assert log.read_text().split() == [str(n) for n in range(published)]


def test_every_client_that_is_marked_has_a_test() -> None:
    """✔ says so. Firefox and Chromium have theirs in tests/browser, too."""
    marked = re.findall(r"([\w-]+(?: -N)?)`? ✔(?=[ ,|])", PAGE.read_text(encoding="utf-8"))
    tests = {"EventSource": "test_chromium", "eventsource": "test_npm_eventsource", "httpx-sse": "test_httpx_sse"}
    tests["curl -N"] = "test_curl"
    assert set(marked) == set(tests)
    assert all((Path(__file__).parent / f"{name}.py").exists() for name in tests.values())
