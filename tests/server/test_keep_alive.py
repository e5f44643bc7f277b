"""An idle connection is kept for `KEEP_ALIVE_S`: proxies send the next request into it, and do not repeat a POST."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from notify_sse.config import read_settings
from notify_sse.web.door import ServerLoop
from tests.server.in_process import running
from tests.support.service import Service

KEPT_S = 1.5
GOOGLES_S = 600
"""How long Google's balancer keeps an idle connection: the longest of the usual ones."""


def test_an_idle_connection_is_kept_for_the_time_that_is_set_and_then_closed(tmp_path: Path) -> None:
    """The time begins anew with each request. One that never asked anything is kept as long, at the door: proxies open
    some in advance.
    """
    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        runner.run(_idle_connections(tmp_path))


def test_by_default_it_is_longer_than_any_usual_proxy_keeps_one() -> None:
    assert read_settings({"HOME": "/nonexistent"}).keep_alive_s > GOOGLES_S


async def _idle_connections(tmp_path: Path) -> None:
    async with running(tmp_path, KEEP_ALIVE_S=f"{KEPT_S:g}") as service, asyncio.timeout(30):
        silent, probing = asyncio.create_task(_silent(service)), asyncio.create_task(_probing(service))
        async with _connected(service) as (reader, writer):
            for _ in range(2):
                assert await _publish(service, reader, writer) == 201
                # Most of the time passes: that is what is tried.
                await asyncio.sleep(KEPT_S * 0.6)
            assert await _publish(service, reader, writer) == 201
            assert await _end(reader) > KEPT_S * 0.9
        assert await silent > KEPT_S * 0.9
        assert await probing > KEPT_S * 0.9


async def _silent(service: Service) -> float:
    """Connect and say nothing. Returns after how many seconds the service ended it."""
    async with _connected(service) as (reader, _):
        return await _end(reader)


async def _probing(service: Service) -> float:
    """The same after a request that Hypercorn has answered."""
    async with _connected(service) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: push\r\n\r\n")
        await reader.readuntil(b'{"status":"ok"}')
        return await _end(reader)


@contextlib.asynccontextmanager
async def _connected(service: Service) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _end(reader: asyncio.StreamReader) -> float:
    """After how many seconds the service ends the connection, without a word."""
    began = time.monotonic()
    async with asyncio.timeout(KEPT_S + 10):
        assert await reader.read() == b""
    return time.monotonic() - began


async def _publish(service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """POST a notification on a connection that stays open. Returns the status."""
    token = service.token("backend", scope="notifications:publish")
    body = b'{"recipient_id": "alice", "notification_type": "note", "payload": {}}'
    head = f"POST /notifications HTTP/1.1\r\nHost: push\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    async with asyncio.timeout(30):
        answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert "connection: close" not in answered
        length = next(line for line in answered.splitlines() if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
    return int(answered.split(" ", 2)[1])
