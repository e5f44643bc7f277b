"""The server under test: one that runs already, or one that is started for each scenario and ended after it."""

import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Literal
from urllib.parse import urlsplit

import aio_pika
import httpx
import msgspec

from notify_sse.auth import PUBLISH, mint
from notify_sse.bench.publishers.publisher_process import PublishAddress
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.config import PREFIX, Settings, read_settings, variable
from notify_sse.errors import CannotMeasure

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
HTTP_BATCH: Final = 100
MEMORY: Final = "memory://"
Launch = Callable[[], AbstractAsyncContextManager["Target"]]
Publisher = Literal["amqp", "aio-pika"]


WEBSOCKET_PATH: Final = "/notifications/ws"


class Target(msgspec.Struct, frozen=True):
    """A running server: where its streams are, where to publish, and which processes belong to it.

    `topic_path` is where a topic is read, when that is not `path`. `pids` has the groups `server`, `broker` and
    `database`. `metrics` says whether the server has our `/metrics`; without it, the figures that need it are left out.
    """

    name: str
    url: str
    publish_to: PublishAddress
    path: str = "/notifications/stream"
    secret: str = ""
    audience: str = "notify-sse"
    issuer: str | None = None
    pids: dict[str, list[int]] = {}
    metrics: bool = True
    topic: str = "all"
    topic_path: str = ""

    @property
    def host(self) -> str:
        """The host of `url`."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """The port of `url`; 80 when it names none."""
        return urlsplit(self.url).port or 80

    async def metric(self, name: str) -> float | None:
        """One of our metrics, summed over its labels, from `/metrics`. None when the server does not have it."""
        if not self.metrics:
            return None
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/metrics", timeout=30)
        found = [line for line in answer.text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found) if found else None


def publish_address(
    url: str, settings: Settings, *, over_http: bool = False, publisher: Publisher = "amqp"
) -> PublishAddress:
    """Where to publish for the service at `url`: RabbitMQ when `settings` name one and not `over_http`, else HTTP.

    `publisher`: who publishes to RabbitMQ, the tool's own packed frames or aio-pika.
    """
    if not (over_http or settings.embedded_broker):
        return PublishAddress(publisher, url=settings.broker_url, exchange=settings.amqp_prefix)
    parts = urlsplit(url)
    token = mint(settings, "bench", scopes=[PUBLISH], ttl_s=86_400)
    return PublishAddress(
        "http",
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 80,
        path="/notifications",
        token=token,
        batch=HTTP_BATCH,
    )


def running_service(
    url: str,
    settings: Settings,
    pids: Mapping[str, list[int]],
    *,
    over_http: bool = False,
    publisher: Publisher = "amqp",
) -> Launch:
    """A service that runs already, with these settings. It is neither started nor ended."""

    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        yield Target(
            name=url,
            url=url,
            publish_to=publish_address(url, settings, over_http=over_http, publisher=publisher),
            secret=settings.jwt_secret or "",
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            pids=dict(pids),
        )

    return launch


def started_service(
    name: str,
    *,
    broker_url: str = MEMORY,
    database_url: str | None = None,
    pids: Mapping[str, list[int]] | None = None,
    env: Mapping[str, str] | None = None,
    over_http: bool = False,
    publisher: Publisher = "amqp",
) -> Launch:
    """A service that is started for each scenario: the embedded default, unless URLs are given.

    It gets none of the caller's settings, since a load test must not write into a log that is in use. `env` holds
    further settings by their full names.
    """
    secret = secrets.token_hex(32)
    prefix = f"bench-{secrets.token_hex(4)}"

    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        with tempfile.TemporaryDirectory(prefix="notify-sse-bench-") as directory:
            given = {
                "broker_url": broker_url,
                "database_url": database_url or f"sqlite:///{directory}/log.db",
                "state_dir": directory,
                "amqp_prefix": prefix,
                "jwt_secret": secret,
                "log_level": "warning",
                "drain_s": "2",
            }
            environ = {variable(field): value for field, value in given.items()} | dict(env or {})
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            command = [sys.executable, "-m", "notify_sse", "serve", "--port", str(port)]
            try:
                async with process(command, environ, ready_url=f"{url}/readyz") as pid:
                    publish_to = publish_address(url, read_settings(environ), over_http=over_http, publisher=publisher)
                    yield Target(
                        name=name,
                        url=url,
                        publish_to=publish_to,
                        secret=secret,
                        pids=dict(pids or {}) | {"server": [pid]},
                    )
            finally:
                if broker_url != MEMORY:
                    await _remove_topology(broker_url, Topology(prefix))

    return launch


async def _remove_topology(broker_url: str, topology: Topology) -> None:
    """Remove our exchanges and queues: the RabbitMQ may be in use by others."""
    connection = await aio_pika.connect(broker_url)
    async with connection:
        channel = await connection.channel()
        for queue in (topology.ingest, topology.dead):
            await channel.queue_delete(queue)
        for exchange in (topology.notifications, topology.live, topology.dead_letter_exchange):
            await channel.exchange_delete(exchange)


@asynccontextmanager
async def process(
    command: list[str], environ: Mapping[str, str], *, ready_url: str | None = None
) -> AsyncIterator[int]:
    """Run `command` until the end of the block; yields its pid once `ready_url` answers 200, or at once without one."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    child = await asyncio.create_subprocess_exec(*command, env=inherited | dict(environ), stdout=sys.stderr)
    try:
        if ready_url is not None:
            await _answering(child, ready_url)
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


async def _answering(child: asyncio.subprocess.Process, url: str) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S), httpx.AsyncClient(trust_env=False) as client:
            while child.returncode is None:
                try:
                    if (await client.get(url)).status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise CannotMeasure(f"{url} was not ready within {START_TIMEOUT_S:g} s") from None
    raise CannotMeasure(f"the server under test ended with {child.returncode} while it started")


def free_port() -> int:
    """A loopback port that nobody uses, below the ephemeral range, so that no client of ours takes it."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
