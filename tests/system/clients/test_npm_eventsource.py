"""npm `eventsource`, the usual client in Node: it reconnects by itself."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import STREAM, Api, notification
from tests.support.polling import eventually
from tests.support.service import ServiceFactory, Stack
from tests.support.services.nodejs import Node

ENV = {"RETRY_MS": "200", "DRAIN_S": "2"}


@pytest.mark.parametrize("end", ["kill", "drain"])
async def test_it_comes_back_by_itself_and_misses_nothing(
    service: ServiceFactory, on_stack: Stack, node: Node, tmp_path: Path, end: str
) -> None:
    """The service is killed -9 or drained, and started again: the client brings its Last-Event-ID, and each
    notification comes once, in order.
    """
    running = await asyncio.to_thread(service, env=ENV, **on_stack)
    log = tmp_path / "listen.jsonl"
    process = node.start(["listen.mjs", running.url + STREAM, running.token("alice")], log=log)
    try:
        async with Api(running) as api:
            await _until(log, "connected", 1)
            published = await api.publish_many([notification("alice", payload={"n": n}) for n in range(20)])
            await _until(log, "message", 20)
            if end == "kill":
                await asyncio.to_thread(running.kill)
            else:
                await asyncio.to_thread(running.terminate, within_s=30)
            await asyncio.to_thread(running.start)
            missed = [notification("alice", payload={"n": n}) for n in range(20, 40)]
            published += await api.publish_many(missed)
            await _until(log, "message", 40)
    finally:
        process.kill()
    events = _events(log)
    assert [event["id"] for event in events if event["event"] == "message"] == published
    names = Counter(event["event"] for event in events)
    assert names["connected"] == 2
    # Right after its start the service may refuse once for load; the client waits as it is told, and comes back.
    ends = [json.loads(event["data"])["reason"] for event in events if event["event"] == "closing"]
    assert [reason for reason in ends if reason != "busy"] == (["drain"] if end == "drain" else [])
    assert names["reset"] == 0


def _events(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


async def _until(log: Path, name: str, count: int) -> None:
    async def seen() -> bool:
        return [event["event"] for event in _events(log)].count(name) >= count

    await eventually(seen, what=f"{count} {name}", within_s=30)
