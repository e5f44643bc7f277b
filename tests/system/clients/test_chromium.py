"""Chromium's own EventSource, with nothing of ours around it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, async_playwright

from tests.support.api import STREAM, Api, bearer, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.services.browsers import Chromium

ENV = {"RETRY_MS": "200", "DRAIN_S": "2", "HEARTBEAT_S": "1"}
LISTEN = """(url) => {
    window.seen = [];
    window.source = new EventSource(url);
    for (const name of ["message", "connected", "reset", "closing", "heartbeat", "error", "system_alert"]) {
        source.addEventListener(name, (event) => seen.push([event.type, event.lastEventId ?? "", event.data ?? ""]));
    }
}"""
EVENTS = "(name) => seen.filter(([type]) => type === name)"
WAIT_MS = 30_000


@asynccontextmanager
async def _page(chromium: Chromium, service: Service) -> AsyncIterator[Page]:
    """A page of the service's own origin."""
    async with async_playwright() as playwright:
        launch = playwright.chromium.launch
        browser = await launch(executable_path=chromium.executable_path, args=list(chromium.arguments))
        page = await browser.new_page()
        await page.goto(f"{service.url}/healthz")
        yield page
        await browser.close()


async def _listen(page: Page, service: Service, query: str = "") -> None:
    token = service.token("alice", ttl_s=290)
    await page.evaluate(LISTEN, f"{STREAM}?access_token={token}{query}")
    await _until(page, "connected", 1)


async def _until(page: Page, name: str, count: int) -> None:
    condition = f"() => ({EVENTS})({name!r}).length >= {count}"
    await page.wait_for_function(condition, timeout=WAIT_MS, polling=20)


async def _seen(page: Page, name: str) -> list[list[str]]:
    events: list[list[str]] = await page.evaluate(EVENTS, name)
    return events


@pytest.mark.parametrize("end", ["kill", "drain"])
async def test_native_reconnect_brings_the_last_event_id(
    service: ServiceFactory, on_stack: Stack, chromium: Chromium, end: str
) -> None:
    """The service is killed -9 or drained, notifications are published as soon as it is back: the page has each
    once, in order, from the same EventSource object.
    """
    running = await asyncio.to_thread(service, env=ENV, **on_stack)
    async with Api(running) as api, _page(chromium, running) as page:
        await _listen(page, running)
        published = await api.publish_many([notification("alice", payload={"n": n}) for n in range(20)])
        await _until(page, "message", 20)
        if end == "kill":
            await asyncio.to_thread(running.kill)
        else:
            await asyncio.to_thread(running.terminate, within_s=30)
        await asyncio.to_thread(running.start)
        published += await api.publish_many([notification("alice", payload={"n": n}) for n in range(20, 40)])
        await _until(page, "message", 40)
        assert [cursor for _, cursor, _ in await _seen(page, "message")] == published
        assert len(await _seen(page, "connected")) == 2
        # Right after its start the service may refuse once for load; the page waits as it is told, and comes back.
        ends = [json.loads(data)["reason"] for _, _, data in await _seen(page, "closing")]
        assert [reason for reason in ends if reason != "busy"] == (["drain"] if end == "drain" else [])
        assert await _seen(page, "reset") == []
        assert await page.evaluate("source.readyState") == 1


async def test_a_refusal_for_load_does_not_end_an_event_source_and_the_rollout_does(
    service: ServiceFactory, chromium: Chromium
) -> None:
    """200, `retry:` and the end: it keeps trying until it is let in. (A 503 would end it for ever.) Once its recipient
    is not enabled any more, its stream ends, it is answered 204, and asks no more: until the page is loaded again.
    """
    running = await asyncio.to_thread(service, env=ENV | {"MAX_STREAMS": "1"})
    async with Api(running) as api, _page(chromium, running) as page:
        answers: list[int] = []
        page.on("response", lambda answer: answers.append(answer.status) if STREAM in answer.url else None)
        async with api.stream("bob") as bob:
            await bob.event("connected")
            await page.evaluate(LISTEN, f"{STREAM}?access_token={running.token('alice', ttl_s=290)}")
            await _until(page, "error", 1)
            assert await page.evaluate("source.readyState") == 0, "it gave up"
        await _until(page, "connected", 1)
        published = await api.publish("alice")
        await _until(page, "message", 1)
        assert [cursor for _, cursor, _ in await _seen(page, "message")] == [published]
        await _rollout(running, "0")
        await page.wait_for_function("() => source.readyState === 2", timeout=WAIT_MS)
        assert answers[-1] == 204
        await _rollout(running, "100")
        await eventually(lambda: _is_enabled(api), what="a stream to be meant again")
        assert await page.evaluate("source.readyState") == 2
        assert len(await _seen(page, "message")) == 1
        assert set(answers[:-1]) == {200}


async def _is_enabled(api: Api) -> bool:
    answer = await api.http.get("/notifications/transport", headers=bearer(api.service.token("alice")))
    return bool(answer.json()["transport"] == "stream")


async def _rollout(service: Service, percent: str) -> None:
    command = [sys.executable, "-m", "notify_sse", "rollout", "--percent", percent]
    process = await asyncio.create_subprocess_exec(*command, env=service.env, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def test_types_become_event_names_and_heartbeats_keep_the_cursor_young(
    service: ServiceFactory, chromium: Chromium
) -> None:
    """`addEventListener('system_alert', …)` with `event_names=type`; the browser takes the id of each heartbeat."""
    running = await asyncio.to_thread(service, env=ENV)
    async with Api(running) as api, _page(chromium, running) as page:
        await _listen(page, running, "&event_names=type")
        published = await api.publish("alice", notification_type="system_alert", payload={"text": "a\nb\r\u2028"})
        await _until(page, "system_alert", 1)
        [(_, cursor, data)] = await _seen(page, "system_alert")
        assert cursor == published
        assert await page.evaluate("(data) => JSON.parse(data).payload.text", data) == "a\nb\r\u2028"
        other = await api.publish("bob")
        await page.wait_for_function(
            f"() => ({EVENTS})('heartbeat').some(([, id]) => id === {other!r})", timeout=WAIT_MS
        )
