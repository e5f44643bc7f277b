"""deploy/nginx.conf, deploy/Caddyfile and deploy/haproxy.cfg, as they stand, under a browser and failing gateways."""

import re

from tests.deploy.conftest import BrowserFactory
from tests.deploy.proxies import Proxy
from tests.deploy.restarts import (
    Gateways,
    assert_nothing_is_lost,
    assert_tabs_share_a_connection_and_come_back,
)
from tests.support.polling import becomes_true

TABS = 30
FEWER_TABS = 8
"""More than the six connections of HTTP/1.1, as thirty are; each tab is a process."""


async def test_nothing_is_lost_behind_nginx(nginx: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(nginx, gateways, context)


async def test_nothing_is_lost_behind_caddy(caddy: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(caddy, gateways, context)


async def test_nothing_is_lost_behind_haproxy(haproxy: Proxy, gateways: Gateways, browser: BrowserFactory) -> None:
    async with browser() as context:
        await assert_nothing_is_lost(haproxy, gateways, context)


async def test_thirty_tabs_share_one_connection_behind_nginx(
    nginx: Proxy, gateways: Gateways, browser: BrowserFactory
) -> None:
    """It is the same one for all streams before and after the restarts, as its log has it."""
    async with browser() as context:
        await assert_tabs_share_a_connection_and_come_back(nginx, gateways, context, count=TABS)
    line = re.compile(r'"GET /notifications/stream HTTP/2.0" 200 .* connection=(\d+)')
    ended = re.compile(line.pattern + "$", re.MULTILINE)
    await becomes_true(lambda: len(ended.findall(nginx.access_log.read_text())) >= 2 * TABS, within_s=30)
    connections = ended.findall(nginx.access_log.read_text())
    assert len(connections) >= 2 * TABS
    assert len(set(connections)) == 1
    assert "HTTP/1.1" not in re.sub(r"POST .*", "", nginx.access_log.read_text())


async def test_eight_tabs_share_one_connection_behind_caddy(
    caddy: Proxy, gateways: Gateways, browser: BrowserFactory
) -> None:
    async with browser() as context:
        await assert_tabs_share_a_connection_and_come_back(caddy, gateways, context, count=FEWER_TABS)


async def test_eight_tabs_share_one_connection_behind_haproxy(
    haproxy: Proxy, gateways: Gateways, browser: BrowserFactory
) -> None:
    async with browser() as context:
        await assert_tabs_share_a_connection_and_come_back(haproxy, gateways, context, count=FEWER_TABS)
