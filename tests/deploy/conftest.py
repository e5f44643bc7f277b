"""Proxies before two gateways that share a log, and a browser for them; the servers as their operators see them."""

import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright

from tests.deploy.proxies import Caddy, HAProxy, Nginx, Proxy
from tests.support.failures import show_log
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.services import PostgresServer, RabbitServer, ensure
from tests.support.services.browsers import Chromium
from tests.support.services.postgres import DATABASE, USER, binaries
from tests.support.services.rabbitmq import InstalledRabbit
from tests.support.tokens import SECRET

ENV = {"RETRY_MS": "200", "DRAIN_S": "1", "HEARTBEAT_S": "5"}
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin"
BrowserFactory = Callable[[], AbstractAsyncContextManager[BrowserContext]]


@pytest.fixture
def gateways(service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str) -> tuple[Service, Service]:
    """Two services on one log and one broker: a process that is alone, and a supervisor with two workers."""
    stack: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    first = service(env=ENV, **stack)
    return first, service(env=ENV, workers=2, **stack)


@pytest.fixture
def nginx(request: pytest.FixtureRequest, tmp_path: Path, gateways: tuple[Service, Service]) -> Iterator[Proxy]:
    """nginx on deploy/nginx.conf, before `gateways`."""
    with _running(request, "nginx", Nginx(tmp_path / "nginx", [gateway.port for gateway in gateways])) as proxy:
        yield proxy


@pytest.fixture
def caddy(request: pytest.FixtureRequest, tmp_path: Path, gateways: tuple[Service, Service]) -> Iterator[Proxy]:
    """Caddy on deploy/Caddyfile, before `gateways`."""
    with _running(request, "caddy", Caddy(tmp_path / "caddy", [gateway.port for gateway in gateways])) as proxy:
        yield proxy


@pytest.fixture
def haproxy(request: pytest.FixtureRequest, tmp_path: Path, gateways: tuple[Service, Service]) -> Iterator[Proxy]:
    """HAProxy on deploy/haproxy.cfg, before `gateways`."""
    with _running(request, "haproxy", HAProxy(tmp_path / "haproxy", [gateway.port for gateway in gateways])) as proxy:
        yield proxy


@contextmanager
def _running(request: pytest.FixtureRequest, need: str, proxy: Proxy) -> Iterator[Proxy]:
    ensure(need)
    try:
        proxy.start()
        show_log(request, proxy.access_log)
        show_log(request, proxy.output)
        yield proxy
    finally:
        proxy.stop()


@pytest.fixture
def browser(chromium: Chromium) -> BrowserFactory:
    """Opens a Chromium that takes the test's certificate: `async with browser() as context`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[BrowserContext]:
        async with async_playwright() as playwright:
            launched = await playwright.chromium.launch(
                executable_path=chromium.executable_path, args=[*chromium.arguments, "--renderer-process-limit=2"]
            )
            try:
                yield await launched.new_context(ignore_https_errors=True)
            finally:
                await launched.close()

    return opened


@pytest.fixture
def superuser(postgres_server: PostgresServer) -> Iterator[dict[str, str]]:
    """The environment of psql; what the page makes is gone afterwards."""
    found = re.search(r":(\d+)/", postgres_server.database_url(DATABASE))
    assert found
    folder = binaries()
    path = f"{folder}:{PATH}" if folder else PATH
    yield {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": found[1], "PGUSER": USER, "NOTIFY_SSE_JWT_SECRET": SECRET}
    for name in ("push", "push_restored"):
        postgres_server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in ("push", "push_owner"):
        postgres_server.sql(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def operator(rabbitmq_server: RabbitServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with a `rabbitmqctl` for the tests' node; what the page makes is gone afterwards."""
    if not isinstance(rabbitmq_server, InstalledRabbit):
        pytest.skip("RabbitMQ runs in a container here: its rabbitmqctl is not on this machine")
    program = tmp_path / "bin/rabbitmqctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {rabbitmq_server._scripts}/rabbitmqctl -q -n {rabbitmq_server._node} "$@"\n')
    program.chmod(0o755)
    yield rabbitmq_server._env() | {"PATH": f"{program.parent}:{PATH}", "NOTIFY_SSE_JWT_SECRET": SECRET}
    for made in (("delete_vhost", "push"), ("delete_user", "push"), ("delete_user", "push-publisher")):
        with suppress(RuntimeError):  # not every page makes it
            rabbitmq_server.ctl(*made)
