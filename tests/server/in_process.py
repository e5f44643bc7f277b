"""One process of the service within the test: on the test's own loop, where the lines that it runs can be counted."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from notify_sse.config import Settings, read_settings
from notify_sse.server.listening import listen
from notify_sse.server.process import Process
from tests.support.service import Service


@contextlib.asynccontextmanager
async def running(directory: Path, *, role: str = "all", **env: str) -> AsyncIterator[Service]:
    """A process on the embedded default, with those settings (`MAX_STREAMS="1"`); drained at the end.

    What is returned is for its address and its tokens: it has no process of its own to kill.
    """
    service = service_in(directory, role=role, **env)
    async with serving(service, listen(settings_of(service))):
        yield service


def service_in(directory: Path, *, role: str = "all", **env: str) -> Service:
    """A service with those settings, which does not run."""
    return Service(directory, env={"HOST": "127.0.0.1", "ROLE": role, "DRAIN_S": "1", **env})


def settings_of(service: Service) -> Settings:
    """As it would read them."""
    return read_settings(service.env, port=service.port)


@contextlib.asynccontextmanager
async def serving(service: Service, listener: socket.socket) -> AsyncIterator[None]:
    """A process of `service` on `listener`, which it closes; drained at the end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    ready = asyncio.Event()
    work = asyncio.create_task(Process(settings_of(service), on_ready=ready.set).run(listener))
    try:
        async with asyncio.timeout(20):
            await ready.wait()
        yield
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await work == 0
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        listener.detach()  # hypercorn closed it
        for number, handler in before.items():
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler)
