"""What `notify-sse doctor` looks at. Each check gives findings: what is so, and what to do about it.

Changes nothing, and makes nothing: not even the embedded default's files.
"""

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Literal

import aio_pika
import asyncpg
import httpx
import msgspec
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import AMQPError

from notify_sse.auth import Verifier, mint
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.cli.options import service_url
from notify_sse.config import Settings, is_loopback, redacted_url
from notify_sse.errors import NotifyError
from notify_sse.store import open_store
from notify_sse.store.postgres.pool import PostgresPool
from notify_sse.store.schema import current_revision, expected_revision, require_expected

TIMEOUT_S: Final = 5.0
SKEW_WARNING_S: Final = 2.0
SKEW_ERROR_S: Final = 30.0
SPARE_FILES: Final = 500
"""For the database, the broker, logs and libraries, beside the streams' sockets."""


class Finding(msgspec.Struct, frozen=True):
    """What a check found. `advice` says what to do, where something is to be done."""

    check: str
    status: Literal["ok", "warning", "error"]
    detail: str
    advice: str = ""


Check = Callable[[Settings], AsyncIterator[Finding]]


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding, as it is made. A check that fails in an unforeseen way is a finding too."""
    for check in CHECKS:
        name = check.__name__.strip("_")
        try:
            async for finding in check(settings):
                yield finding
        except NotifyError as exc:
            yield Finding(name, "error", str(exc))


async def _keys(settings: Settings) -> AsyncIterator[Finding]:
    if settings.development:
        yield Finding("keys", "ok", "development mode, with a generated key", "set NOTIFY_SSE_JWT_SECRET to leave it")
        return
    verifier = Verifier(settings)
    try:
        await verifier.start()
    finally:
        await verifier.close()
    if not verifier.ready:
        detail = f"no keys can be read from {redacted_url(settings.jwks_url or '')}"
        yield Finding(
            "keys", "error", detail, "check NOTIFY_SSE_JWKS_URL, and that its server can be reached from here"
        )
    elif settings.jwt_secret is not None:
        verifier.verify(mint(settings, "doctor"))
        yield Finding("keys", "ok", "HS256 by secret; a token made here verifies")
    else:
        yield Finding("keys", "ok", "tokens are verified with public keys")
    if settings.jwks_url and settings.jwks_url.startswith("http://") and not _local(settings.jwks_url):
        yield Finding("keys", "warning", "the key set is read over plain http", "use https in NOTIFY_SSE_JWKS_URL")


def _local(url: str) -> bool:
    return is_loopback(httpx.URL(url).host)


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    place = redacted_url(settings.database_url)
    try:
        revision = await current_revision(settings.database_url)
    except NotifyError as exc:
        yield Finding("database", "error", f"{exc}: {place}", "check NOTIFY_SSE_DATABASE_URL, and that it runs")
        return
    if revision is None:
        yield Finding("database", "ok", f"empty: {place}", "`notify-sse serve` or `notify-sse migrate` sets it up")
        return
    yield Finding("database", "ok", f"reached: {place}")
    try:
        require_expected(revision)
    except NotifyError as exc:
        embedded = settings.embedded_store and revision != expected_revision()
        yield Finding("migrations", "error", str(exc), "`notify-sse serve` does it too" if embedded else "")
        return
    yield Finding("migrations", "ok", f"schema {revision}")
    store = open_store(settings.database_url)
    try:
        await store.open()
        head = await store.head()
    finally:
        await store.close()
    yield Finding(
        "log", "ok", f"epoch {head.epoch}, events {head.floor + 1} to {head.position}" if head.position else "empty"
    )


async def _clock(settings: Settings) -> AsyncIterator[Finding]:
    if settings.embedded_store:
        return
    pool = PostgresPool(settings.database_url, size=1, wait_s=TIMEOUT_S)
    try:
        skew_s, durability = await pool.run(_server_state)
    except NotifyError:
        return  # told by the check of the database
    finally:
        await pool.close()
    status: Literal["ok", "warning", "error"] = "ok"
    if abs(skew_s) > SKEW_WARNING_S:
        status = "error" if abs(skew_s) > SKEW_ERROR_S else "warning"
    advice = "" if status == "ok" else "run NTP on both machines: tokens end by this clock, retention goes by the other"
    yield Finding("clock", status, f"{skew_s:+.2f} s against the database", advice)
    for name, value in durability.items():
        if value == "off":
            advice = "switch it on: what was accepted can be lost when the database's machine fails"
            yield Finding("durability", "error" if name == "fsync" else "warning", f"Postgres has {name} = off", advice)


async def _server_state(connection: asyncpg.Connection) -> tuple[float, dict[str, str]]:
    before = time.time()
    server: float = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    here = (before + time.time()) / 2
    names = ("fsync", "synchronous_commit", "full_page_writes")
    return here - server, {name: await connection.fetchval("SELECT current_setting($1)", name) for name in names}


async def _broker(settings: Settings) -> AsyncIterator[Finding]:
    if settings.embedded_broker:
        yield Finding("broker", "ok", "inside the service's process (memory://)")
        return
    place = redacted_url(settings.broker_url)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await aio_pika.connect(settings.broker_url)
    except (AMQPError, OSError, TimeoutError) as exc:
        reason = redacted_url(str(exc) or type(exc).__name__)
        advice = "check NOTIFY_SSE_BROKER_URL, and that it runs; publishing over HTTP works without it"
        yield Finding("broker", "error", f"cannot be reached ({reason}): {place}", advice)
        return
    async with connection:
        yield Finding("broker", "ok", f"RabbitMQ reached: {place}")
        topology = Topology(prefix=settings.amqp_prefix)
        waiting, consumers = await _queue(connection, topology.ingest)
        if waiting is None:
            yield Finding("queue", "ok", f"{topology.ingest} is not there yet", "`notify-sse serve` makes it")
        elif consumers == 0:
            advice = "start `notify-sse serve` with the role all or ingest"
            yield Finding("queue", "warning", f"nobody reads {topology.ingest}; {waiting} wait in it", advice)
        else:
            yield Finding("queue", "ok", f"{topology.ingest}: {waiting} waiting, {consumers} consumers")
        dead, _ = await _queue(connection, topology.dead)
        if dead:
            advice = "`notify-sse dlq list` shows them, with reasons"
            yield Finding("refused", "warning", f"{dead} refused messages in {topology.dead}", advice)


async def _queue(connection: aio_pika.abc.AbstractConnection, name: str) -> tuple[int | None, int]:
    """How many messages and consumers it has; None when it does not exist."""
    channel = await connection.channel()
    try:
        found = (await channel.declare_queue(name, passive=True, timeout=TIMEOUT_S)).declaration_result
    except ChannelNotFoundEntity:
        return None, 0
    await channel.close()
    return found.message_count or 0, found.consumer_count or 0


async def _files(settings: Settings) -> AsyncIterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # `serve` raises its own limit up to this one
    wanted = settings.max_streams + SPARE_FILES
    detail = f"a process may open {hard}; NOTIFY_SSE_MAX_STREAMS is {settings.max_streams}"
    if hard != resource.RLIM_INFINITY and hard < wanted:
        advice = f"raise the hard limit to {wanted} (ulimit -Hn, LimitNOFILE=), or lower NOTIFY_SSE_MAX_STREAMS"
        yield Finding("files", "warning", detail, advice)
    else:
        yield Finding("files", "ok", detail)


async def _state(settings: Settings) -> AsyncIterator[Finding]:
    """The embedded default keeps its key and its log in files that only their owner should write."""
    if not (settings.development or settings.embedded_store):
        return
    mode = await asyncio.to_thread(_mode, Path(settings.state_dir))
    if mode is None:
        yield Finding("state", "ok", f"{settings.state_dir} is not there yet", "`notify-sse serve` makes it")
    elif mode & 0o022:
        advice = f"chmod 700 {settings.state_dir}"
        yield Finding("state", "warning", f"others may write to {settings.state_dir}", advice)
    else:
        yield Finding("state", "ok", settings.state_dir)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


async def _service(settings: Settings) -> AsyncIterator[Finding]:
    url = service_url(settings, None)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as client:
            response = await client.get("/readyz")
    except httpx.HTTPError:
        yield Finding("service", "warning", f"does not answer at {url}", "start it with `notify-sse serve`")
        return
    if response.status_code == httpx.codes.OK:
        yield Finding("service", "ok", f"ready at {url}")
    elif response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        reason = response.json().get("reason", "it does not say why")
        yield Finding("service", "warning", f"runs at {url}, and is not ready: {reason}", "its log says more")
    else:
        advice = "choose another NOTIFY_SSE_PORT, or stop what uses this one"
        yield Finding("service", "error", f"something else answers at {url} ({response.status_code})", advice)


CHECKS: Final[tuple[Check, ...]] = (_keys, _database, _clock, _broker, _files, _state, _service)
