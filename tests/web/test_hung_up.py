"""Who hangs up in the middle of a request leaves nothing that runs: no task waits for what will not come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from starlette.types import Receive, Scope, Send

from notify_sse.web.http.version import keep_to_http1
from tests.support.polling import until
from tests.support.services import free_port

HEAD: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CRUMB: Final = b"1\r\n0\r\n"
"""A part of a body. Hypercorn keeps ten of them for an app that does not read."""
LAST_CHUNK: Final = b"0\r\n\r\n"
MANY: Final = 10_000
"""Crumbs for which a connection is given half a minute, since a tenth of the process is for such."""
ANSWER_BYTES: Final = 16_777_216
"""More than the kernel takes from a server whose client does not read."""


class Unreading:
    """An app that answers at length, and reads nothing of what it is sent."""

    def __init__(self, *, answer_bytes: int = ANSWER_BYTES) -> None:
        self._answer_bytes = answer_bytes
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        assert scope["type"] == "http"
        self.begun.set()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(self._answer_bytes // 65_536):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.ended.set()


async def test_an_app_that_finds_out_by_writing_that_its_client_has_gone_does_not_wait_for_itself() -> None:
    """It is told of the end through the queue that it has not read, and which was full. It waited for ever."""
    app = Unreading()
    async with _served(app) as port:
        before = asyncio.all_tasks()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + CRUMB * 100)
        await app.begun.wait()
        writer.transport.abort()
        await until(app.ended.is_set, what="the end of the app")
        await until(lambda: not asyncio.all_tasks() - before, what="the end of the connection")


class Slow:
    """An app that reads late, and answers with how many bytes it was sent."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await self.reads.wait()
        size, more = 0, True
        while more:
            message = await receive()
            assert message["type"] == "http.request"
            size, more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d bytes" % size})


@pytest.mark.parametrize("parts", [1, 5, 50])
async def test_who_has_sent_all_and_says_no_more_is_answered(parts: int) -> None:
    """Half of the connection is closed, with more or less of the body in the app's queue: none of it may be lost."""
    app = Slow()
    async with _served(app) as port:
        before = asyncio.all_tasks()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + CRUMB * parts + LAST_CHUNK)
        writer.write_eof()
        await asyncio.sleep(0.05)
        app.reads.set()
        assert f"{parts} bytes".encode() in await asyncio.wait_for(reader.readuntil(LAST_CHUNK), 5)
        writer.transport.abort()
        await until(lambda: not asyncio.all_tasks() - before, what="the end of the connection")


async def test_an_app_that_ends_without_reading_ends_its_connection() -> None:
    """With the rest of the body in the queue, and a client that has sent all and waits."""
    app = Unreading(answer_bytes=100)
    async with _served(app) as port:
        before = asyncio.all_tasks()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + CRUMB * 100 + LAST_CHUNK)
        writer.write_eof()
        await asyncio.wait_for(reader.readuntil(LAST_CHUNK), 5)
        writer.transport.abort()
        await until(lambda: not asyncio.all_tasks() - before, what="the end of the connection")


async def test_what_a_client_sent_that_has_gone_is_not_read_on() -> None:
    """It would be read a few lines at a time, with rests in between, for nobody."""
    app = Unreading()
    async with _served(app) as port:
        before = asyncio.all_tasks()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD + CRUMB * MANY)
        await app.begun.wait()
        writer.transport.abort()
        await until(lambda: not asyncio.all_tasks() - before, what="the end of the connection", within_s=8)


@contextlib.asynccontextmanager
async def _served(app: Unreading | Slow) -> AsyncIterator[int]:
    """The port of a Hypercorn as ours is, before `app`."""
    cast(Any, asyncio.get_running_loop()).doors = None
    keep_to_http1(request_timeout_s=0)
    config, port, stopped = Config(), free_port(), asyncio.Event()
    config.bind, config.graceful_timeout = [f"127.0.0.1:{port}"], 0.1
    config.accesslog = config.errorlog = None
    config.keep_alive_timeout = 0.1
    serving = asyncio.create_task(serve(cast(ASGIFramework, app), config, shutdown_trigger=stopped.wait))
    try:
        await asyncio.wait_for(_opened(port), 5)
        yield port
    finally:
        stopped.set()
        await serving


async def _opened(port: int) -> None:
    """Wait until somebody listens there."""
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            return
        await asyncio.sleep(0.01)
