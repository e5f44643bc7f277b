"""deploy/nginx-canary.conf: two versions behind nginx, by weight and by cookie."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.proxies import NginxWithCanary, Proxy
from tests.support.api import PUBLISH, bearer, notification
from tests.support.polling import becomes_true
from tests.support.service import Service
from tests.support.services import ensure

CLIENTS = 60


@pytest.fixture
def canary(tmp_path: Path, gateways: tuple[Service, Service]) -> Iterator[Proxy]:
    """nginx before two gateways on one log: the version in use, and the next one."""
    ensure("nginx")
    proxy = NginxWithCanary(tmp_path / "nginx", [gateway.port for gateway in gateways])
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


async def _asked(proxy: Proxy, address: str = "127.0.0.1", cookie: str = "") -> None:
    transport = httpx.AsyncHTTPTransport(verify=False, local_address=address)
    headers = {"Cookie": f"notify_sse_version={cookie}"} if cookie else {}
    async with httpx.AsyncClient(base_url=proxy.url, transport=transport, headers=headers) as http:
        assert (await http.get("/client/notify-sse.js")).status_code == 200


async def test_a_cookie_chooses_the_version_and_the_weight_all_others(
    canary: Proxy, gateways: tuple[Service, Service]
) -> None:
    """A client stays with its version; each half is as large as the weight says; and there is one log behind both."""
    now, coming = gateways

    def went_to() -> list[tuple[str, str]]:
        """Each client's address, and the port that answered it. Not in order: each worker of nginx writes its own."""
        return re.findall(r"(?m)^(\S+) .*GET /client/.* to=127.0.0.1:(\d+)", canary.access_log.read_text())

    for _ in range(3):
        await _asked(canary, "127.0.2.1", cookie="next")
        await _asked(canary, "127.0.2.2", cookie="now")
    addresses = [f"127.0.1.{number}" for number in range(1, CLIENTS + 1)]
    for address in addresses * 2:
        await _asked(canary, address)
    assert await becomes_true(lambda: len(went_to()) >= 6 + 2 * CLIENTS, within_s=30)
    ports: dict[str, set[int]] = {}
    for address, port in went_to():
        ports.setdefault(address, set()).add(int(port))
    assert (ports.pop("127.0.2.1"), ports.pop("127.0.2.2")) == ({coming.port}, {now.port})
    assert set(ports) == set(addresses)
    assert all(len(of_one) == 1 for of_one in ports.values())
    assert CLIENTS / 4 < sum(of_one == {coming.port} for of_one in ports.values()) < CLIENTS * 3 / 4
    async with httpx.AsyncClient(base_url=canary.url, verify=False) as http:
        chosen = [{"Cookie": f"notify_sse_version={version}"} for version in ("next", "now")]
        document = notification("alice", notification_id="n1")
        publisher, reader = bearer(now.token("shop", scope=PUBLISH)), bearer(now.token("alice"))
        assert (await http.post("/notifications", json=document, headers=publisher | chosen[0])).status_code == 201
        page = (await http.get("/notifications/history", headers=reader | chosen[1])).json()
        assert [item["notification_id"] for item in page["items"]] == ["n1"]
