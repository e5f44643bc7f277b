"""What the shared workers of a Chromium hold in memory: heap snapshots by its devtools protocol."""

import asyncio
import base64
import contextlib
import json
import re
from itertools import count
from typing import Any

from playwright.async_api import Browser, CDPSession

TOKEN = re.compile(r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+")


def subjects(text: str) -> set[str]:
    """The `sub` of every token in `text`."""
    found: set[str] = set()
    for claims in TOKEN.findall(text):
        with contextlib.suppress(ValueError):  # a piece of one
            found.add(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])
    return found


async def shared_worker_heaps(browser: Browser) -> str:
    """All that lives in them, after a collection of garbage, as one text; empty when there is none."""
    session = await browser.new_browser_cdp_session()
    try:
        targets = (await session.send("Target.getTargets"))["targetInfos"]
        workers = [target["targetId"] for target in targets if target["type"] == "shared_worker"]
        return "".join([await _heap(session, worker) for worker in workers])
    finally:
        await session.detach()


async def _heap(browser: CDPSession, target: str) -> str:
    """Its messages go wrapped within the session of the browser: Playwright hands out none of its own for workers."""
    attached = await browser.send("Target.attachToTarget", {"targetId": target, "flatten": False})
    pieces: list[str] = []
    answered = asyncio.Event()
    numbers = count(1)

    def hear(event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if message.get("method") == "HeapProfiler.addHeapSnapshotChunk":
            pieces.append(message["params"]["chunk"])
        elif "id" in message:
            answered.set()

    browser.on("Target.receivedMessageFromTarget", hear)
    for method in ("HeapProfiler.collectGarbage", "HeapProfiler.takeHeapSnapshot"):
        answered.clear()
        message = json.dumps({"id": next(numbers), "method": method})
        await browser.send("Target.sendMessageToTarget", {"message": message, "sessionId": attached["sessionId"]})
        await answered.wait()
    await browser.send("Target.detachFromTarget", {"sessionId": attached["sessionId"]})
    browser.remove_listener("Target.receivedMessageFromTarget", hear)
    return "".join(pieces)
