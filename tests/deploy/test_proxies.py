"""deploy/nginx.conf, deploy/Caddyfile and deploy/haproxy.cfg, as they stand, under a browser and failing gateways."""

import asyncio
import re

from tests.deploy.conftest import BrowserFactory
from tests.deploy.proxies import Proxy
from tests.deploy.restarts import Gateways, assert_nothing_is_lost, in_each, listening, publish
from tests.support.api import PUBLISH
from tests.support.polling import becomes_true


async def test_nothing_is_lost_behind_nginx(nginx: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(nginx, gateways, context)


async def test_nothing_is_lost_behind_caddy(caddy: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(caddy, gateways, context)


async def test_nothing_is_lost_behind_haproxy(haproxy: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(haproxy, gateways, context)


async def test_thirty_tabs_share_one_connection_and_come_back_after_each_restart(
    nginx: Proxy, gateways: Gateways, browser: BrowserFactory
) -> None:
    """HTTP/2: HTTP/1.1 has six connections for all tabs. Then both gateways go, one after the other: thirty streams
    break at once, twice, and nginx must not hold that against a gateway that is back.
    """
    reader, publisher = gateways[0].token("alice", ttl_s=290), gateways[0].token("shop", scope=PUBLISH)
    async with browser() as context:
        tabs = [await listening(context, nginx.url, reader) for _ in range(30)]
        for gateway in gateways:
            gateway.kill()
            await asyncio.to_thread(gateway.start)
        await in_each(tabs, "source.readyState === 1")
        await publish(nginx, publisher, 1)
        await in_each(tabs, "seen.length === 1")
    line = re.compile(r'"GET /notifications/stream HTTP/2.0" 200 .* connection=(\d+)')
    ended = re.compile(line.pattern + "$", re.MULTILINE)
    await becomes_true(lambda: len(ended.findall(nginx.access_log.read_text())) >= 60, within_s=30)
    connections = ended.findall(nginx.access_log.read_text())
    assert len(connections) >= 60
    assert len(set(connections)) == 1
    assert "HTTP/1.1" not in re.sub(r"POST .*", "", nginx.access_log.read_text())
