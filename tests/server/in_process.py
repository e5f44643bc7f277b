"""One process of the service within the test: on the test's own loop, where the lines that it runs can be counted."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

from notify_sse.config import read_settings
from notify_sse.server.listening import listen
from notify_sse.server.process import Process
from tests.support.service import Service


@contextlib.asynccontextmanager
async def running(directory: Path, *, role: str = "all", **env: str) -> AsyncIterator[Service]:
    """A process on the embedded default, with those settings (`MAX_STREAMS="1"`); drained at the end.

    What is returned is for its address and its tokens: it has no process of its own to kill.
    """
    service = Service(directory, env={"HOST": "127.0.0.1", "ROLE": role, "DRAIN_S": "1", **env})
    settings = read_settings(service.env, port=service.port)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    ready = asyncio.Event()
    listener = listen(settings)
    serving = asyncio.create_task(Process(settings, on_ready=ready.set).run(listener))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        yield service
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await serving == 0
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        listener.detach()  # hypercorn closed it
        for number, handler in before.items():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)
