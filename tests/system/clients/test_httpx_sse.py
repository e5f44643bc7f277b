"""httpx-sse, the usual client in Python."""

import asyncio

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from tests.support.api import STREAM, Api, bearer, notification
from tests.support.service import ServiceFactory, Stack


async def _read(
    http: httpx.AsyncClient, headers: dict[str, str], count: int, start: asyncio.Event
) -> list[ServerSentEvent]:
    """`count` notifications; heartbeats and the greeting are passed over by their event names."""
    events: list[ServerSentEvent] = []
    async with aconnect_sse(http, "GET", STREAM, headers=headers) as source:
        async for event in source.aiter_sse():
            start.set()
            if event.event == "message":
                events.append(event)
            if len(events) == count:
                break
    return events


async def test_httpx_sse_reads_the_stream_and_resumes(service: ServiceFactory, on_stack: Stack) -> None:
    """No empty events from comments, every notification once, and on from its last id."""
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.2"}, **on_stack)
    async with Api(running) as api, httpx.AsyncClient(base_url=running.url, timeout=20) as http:
        start = asyncio.Event()
        headers = bearer(running.token("alice"))
        reading = asyncio.create_task(_read(http, headers, 50, start))
        await start.wait()
        published = await api.publish_many([notification("alice", payload={"n": n}) for n in range(50)])
        events = await reading
        assert [event.id for event in events] == published
        assert [event.json()["payload"]["n"] for event in events] == list(range(50))
        missed = await api.publish_many([notification("alice", payload={"n": n}) for n in range(50, 60)])
        again = await _read(http, headers | {"Last-Event-ID": events[-1].id}, 10, asyncio.Event())
        assert [event.id for event in again] == missed
