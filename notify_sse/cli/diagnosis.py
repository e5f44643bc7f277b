"""What `notify-sse doctor` looks at. Each check gives findings: what is so, and what to do about it.

The database and the broker are diagnosed by their adapters. Nothing is changed and nothing is created, not even the
embedded default's files.
"""

import asyncio
import os
import re
import resource
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from notify_sse import broker, store
from notify_sse.auth import Verifier, mint
from notify_sse.auth.keys import DEVELOPMENT_KEY_FILE
from notify_sse.cli import stages
from notify_sse.cli.examination import examined
from notify_sse.cli.options import service_url
from notify_sse.config import Settings, is_local_url, redacted_url
from notify_sse.core.ports import Finding
from notify_sse.errors import NotifyError, TokenRefused
from notify_sse.server.listening import local_url, without_brackets
from notify_sse.telemetry import tracing

TIMEOUT_S: Final = 5.0
SAMPLE: Final = re.compile(r"^notify_sse_(\w+) (\S+)$", re.MULTILINE)
"""In the service's metrics: one without labels."""
WAITS_S: Final = 60.0
OVERDUE_S: Final = 3600.0
LONGEST_NAME: Final = 255
"""Of a file, on the usual file systems."""
SPARE_FILES: Final = 500
"""For the database, the broker, logs and libraries, beside the streams' sockets."""


Check = Callable[[Settings], AsyncIterator[Finding]]


async def findings(settings: Settings, *, token: str | None = None) -> AsyncIterator[Finding]:
    """Every finding, as it is made. A check that fails in an unforeseen way is a finding too. `token`: one to check."""

    async def _token(settings: Settings) -> AsyncIterator[Finding]:
        if token is not None:
            yield await _token_finding(settings, token)

    for check in (CHECKS[0], _token, *CHECKS[1:]):
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
    if settings.jwks_url and settings.jwks_url.startswith("http://") and not is_local_url(settings.jwks_url):
        yield Finding("keys", "warning", "the key set is read over plain http", "use https in NOTIFY_SSE_JWKS_URL")


async def _token_finding(settings: Settings, token: str) -> Finding:
    """A key that is wrong here and there alike verifies what is made here: only a token from outside shows it."""
    if settings.development and not await asyncio.to_thread(Path(settings.state_dir, DEVELOPMENT_KEY_FILE).exists):
        return Finding(
            "token", "warning", "cannot be checked: there is no development key yet", "start the service once"
        )
    try:
        grant, unknown = await examined(settings, token)
    except TokenRefused as exc:
        advice = "compare the key, audience and issuer here with those of whoever made it"
        return Finding("token", "error", f"is refused: {exc.reason} ({exc})", advice)
    if unknown:
        return Finding("token", "warning", unknown)
    return Finding("token", "ok", f"is good for {grant.subject!r}: {' '.join(sorted(grant.scopes)) or 'no scope'}")


def _database(settings: Settings) -> AsyncIterator[Finding]:
    return store.diagnose(settings.database_url)


def _broker(settings: Settings) -> AsyncIterator[Finding]:
    return broker.diagnose(
        settings.broker_url, prefix=settings.amqp_prefix, management_url=settings.broker_management_url
    )


async def _traces(_: Settings) -> AsyncIterator[Finding]:
    """Nothing, where none are asked for."""
    tracing.require_what_is_asked_for(os.environ)
    if exporters := tracing.exporters_in(os.environ):
        yield Finding("traces", "ok", f"are sent by {' and '.join(exporters)}")


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
    place = await asyncio.to_thread(_made_in, Path(settings.state_dir)) if mode is None else None
    if mode is None and place is not None:
        advice = "give NOTIFY_SSE_STATE_DIR another value"
        yield Finding("state", "error", f"{settings.state_dir} cannot be made in {place}", advice)
    elif mode is None:
        yield Finding("state", "ok", f"{settings.state_dir} is not there yet", "`notify-sse serve` makes it")
    elif mode & 0o022:
        advice = f"chmod 700 {settings.state_dir}"
        yield Finding("state", "warning", f"others may write to {settings.state_dir}", advice)
    else:
        yield Finding("state", "ok", settings.state_dir)


def _made_in(path: Path) -> Path | None:
    """The place in which this directory cannot be made; None when it can."""
    for place in path.parents:
        try:
            found = place.stat()
        except OSError:
            continue
        can = stat.S_ISDIR(found.st_mode) and os.access(place, os.W_OK | os.X_OK)
        return None if can and len(path.name) <= LONGEST_NAME else place
    return path


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


async def _address(settings: Settings) -> AsyncIterator[Finding]:
    """Whether `serve` would find its own address. Whether it is free, `service` says."""
    for name, host, port in (
        ("HOST", settings.host, settings.port),
        ("ADMIN_HOST", settings.admin_host, settings.admin_port),
    ):
        try:
            await asyncio.get_running_loop().getaddrinfo(without_brackets(host), port)
        except OSError as exc:
            detail = f"NOTIFY_SSE_{name}: {host} is no address ({exc.strerror})"
            yield Finding("address", "error", detail, "give it an address of this machine, such as 0.0.0.0")


async def _service(settings: Settings) -> AsyncIterator[Finding]:
    url = service_url(settings, None)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=not is_local_url(url)) as client:
            response = await client.get("/readyz")
            exposition = (await client.get(_metrics_url(settings))).text
    except httpx.HTTPError:
        yield Finding("service", "warning", f"does not answer at {url}", "start it with `notify-sse serve`")
        return
    if response.status_code == httpx.codes.OK:
        yield Finding("service", "ok", f"ready at {url}")
        for finding in (*told_by(exposition), *stages.delivery(exposition)):
            yield finding
    elif response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        reason = response.json().get("reason", "it does not say why")
        yield Finding("service", "warning", f"runs at {url}, and is not ready: {reason}", "its log says more")
    else:
        advice = "choose another NOTIFY_SSE_PORT, or stop what uses this one"
        yield Finding("service", "error", f"something else answers at {url} ({response.status_code})", advice)


def _metrics_url(settings: Settings) -> str:
    """An admin server has the metrics, where there is one."""
    return f"{local_url(settings.admin_host, settings.admin_port)}/metrics" if settings.admin_port else "/metrics"


def told_by(exposition: str) -> Iterator[Finding]:
    """What is wrong by the service's own metrics."""
    value = {name: float(number) for name, number in SAMPLE.findall(exposition)}
    if value.get("foreign_epoch_total"):
        detail = "the service hears of another log: another one uses its exchanges and queues, and takes its messages"
        yield Finding("epoch", "error", detail, "give each its own NOTIFY_SSE_AMQP_PREFIX or virtual host")
    if (oldest_s := value.get("oldest_waiting_seconds", 0)) > WAITS_S:
        detail = f"a message has waited for {oldest_s:.0f} s to be stored"
        yield Finding("waiting", "warning", detail, "the database is away or slow: see `database`, and the log")
    if (overdue_s := value.get("retention_lag_seconds", 0)) > OVERDUE_S:
        detail = f"removing what is too old is {overdue_s / 3600:.1f} h overdue: the log grows"
        yield Finding("retention", "error", detail, "see `grants`: the database user needs DELETE on the log's tables")


CHECKS: Final[tuple[Check, ...]] = (_keys, _database, _broker, _traces, _files, _state, _address, _service)
