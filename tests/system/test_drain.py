"""SIGTERM: readiness off, streams told to come back (not all at once), the process gone in time, nothing lost."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import ServiceFactory, Stack

DRAIN_S = 6
BUSY_S = 8.0
"""How late a busy machine may be."""
STREAMS = 60


async def test_streams_are_closed_one_after_the_other_and_the_process_is_gone_in_time(
    service: ServiceFactory, on_stack: Stack
) -> None:
    """`closing` with reason `drain`, a retry of its own for each, a cursor; spread over the drain time; a client that
    reads nothing does not hold it up. Meanwhile new streams are told to come back.
    """
    env = {"DRAIN_S": str(DRAIN_S), "HEARTBEAT_S": "1"}
    running = await asyncio.to_thread(service, env=env, **on_stack)
    async with Api(running) as api, AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(api.stream(f"r{n}")) for n in range(STREAMS)]
        for stream in streams:
            await stream.event("connected")
        stalled = await opened.enter_async_context(api.stream("stalled"))
        await stalled.event("connected")
        stalled.stream.pause()
        for _ in range(3):
            await api.publish_many([notification("stalled", payload={"text": "x" * 15_000})] * 500)
        head = await api.head()

        began = time.monotonic()
        running.terminate()
        await _draining(api)
        async with api.stream("late") as late:
            assert late.stream.status == 200
            assert await late.end()
            assert [told.json()["reason"] for told in late.messages] == ["busy"]
            assert late.stream.parser.retry_ms
        closings = [await stream.event("closing") for stream in streams]
        ends = [stream.times[-1] - began for stream in streams]
        await asyncio.to_thread(_gone, running)
        took_s = time.monotonic() - began
    assert {closing.json()["reason"] for closing in closings} == {"drain"}
    assert {closing.json()["cursor"] for closing in closings} == {head}
    assert len({closing.retry_ms for closing in closings}) > STREAMS / 2, "they would all come back at once"
    assert max(ends) - min(ends) > DRAIN_S / 4, "they were all closed at once"
    assert took_s < DRAIN_S + BUSY_S, f"gone only after {took_s:.1f} s"
    assert "stopped action=stop exit_code=0" in running.logged()


async def _draining(api: Api) -> None:
    async def draining() -> bool:
        answer = await api.http.get("/readyz")
        return answer.status_code == 503 and answer.json()["reason"] == "draining"

    await eventually(draining, what="readiness to go off", within_s=DRAIN_S / 2)


def _gone(service: Any) -> None:
    service.terminate(within_s=30)


async def test_new_connections_are_taken_for_the_minimum_time(service: ServiceFactory) -> None:
    """A balancer that looks every few seconds still sends clients: they are told to come back, and not refused."""
    running = await asyncio.to_thread(service, env={"DRAIN_S": "1", "DRAIN_MIN_S": "3"})
    began = time.monotonic()
    running.terminate()
    async with Api(running) as api:
        await _draining(api)
        while time.monotonic() < began + 2.5:
            async with api.stream("late") as late:
                assert late.stream.status == 200
                assert await late.end()
            assert (await api.http.get("/readyz", headers={"Connection": "close"})).status_code == 503
    await asyncio.to_thread(_gone, running)
    assert time.monotonic() < began + 3 + BUSY_S


async def test_without_streams_it_is_gone_at_once(service: ServiceFactory) -> None:
    """Nobody to tell: an idle process does not sit out its drain time."""
    running = await asyncio.to_thread(service, env={"DRAIN_S": "30"})
    await asyncio.to_thread(running.terminate, within_s=20)


async def test_across_a_restart_each_notification_comes_exactly_once(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """Published with confirms before, during and after the drain; the client comes back with its last cursor."""
    env = {"DRAIN_S": "2"}
    options: Stack = {"broker_url": broker_url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    running = await asyncio.to_thread(service, env=env, **options)
    names = [f"n{number}" for number in range(300)]
    received: list[object] = []

    def publish() -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            for name in names:
                channel.publish(notification("alice", notification_id=name))
                channel.channel.connection.sleep(0.01)

    async with Api(running) as api:
        publishing = asyncio.create_task(asyncio.to_thread(publish))
        async with api.stream("alice") as stream:
            await stream.event("connected")
            received.append((await stream.notification())["notification_id"])
            running.terminate()
            while (message := await stream.next()).event != "closing":
                received += [message.json()["notification_id"]] if message.event == "message" else []
            await asyncio.to_thread(_gone, running)
        await asyncio.to_thread(running.start)
        async with api.stream("alice", last_event_id=stream.cursor) as again:
            await again.event("connected")
            while len(received) < len(names):
                received.append((await again.notification())["notification_id"])
        await publishing
    assert received == names
