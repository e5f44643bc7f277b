"""The limit of deploy/nginx.conf: so many streams of one address, and what is answered beyond it."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.deploy.proxies import NginxWithLowLimit, Proxy
from tests.deploy.restarts import STREAM, Gateways
from tests.support.api import PUBLISH, bearer, notification
from tests.support.polling import eventually
from tests.support.services import ensure

LIMIT = NginxWithLowLimit.LIMIT
BUSY = 'retry: 3000\nevent: closing\ndata: {"reason":"busy","retry_ms":3000}\n\n'


@pytest.fixture
def limited(tmp_path: Path, gateways: Gateways) -> Iterator[Proxy]:
    """nginx with room for three streams of one address."""
    ensure("nginx")
    proxy = NginxWithLowLimit(tmp_path / "nginx", [gateway.port for gateway in gateways])
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


@contextlib.asynccontextmanager
async def _client(proxy: Proxy, token: str, address: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.AsyncHTTPTransport(verify=False, local_address=address)
    async with httpx.AsyncClient(base_url=proxy.url, transport=transport, headers=bearer(token), timeout=30) as http:
        yield http


@contextlib.asynccontextmanager
async def _asked(http: httpx.AsyncClient) -> AsyncIterator[str]:
    """The first event of a stream that stays open meanwhile."""
    async with http.stream("GET", STREAM, headers={"Accept": "text/event-stream"}) as answer:
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        text = ""
        parts = answer.aiter_text()  # kept: the end of it is the end of the stream
        while "\n\n" not in text.partition("event:")[2]:
            text += await anext(parts)
        yield text


@contextlib.asynccontextmanager
async def _opened(http: httpx.AsyncClient, *, what: str) -> AsyncIterator[contextlib.AsyncExitStack]:
    """A stream that is open as soon as there is room for it; it ends with this, or when it is closed."""
    async with contextlib.AsyncExitStack() as stream:

        async def there_is_room() -> bool:
            if "event: connected" in await stream.enter_async_context(_asked(http)):
                return True
            await stream.aclose()
            return False

        await eventually(there_is_room, what=what, within_s=30, every_s=0.1)
        yield stream


async def _web_socket(proxy: Proxy, token: str, address: str) -> int:
    """The status of its handshake; 101 when it is open."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"{proxy.url.replace('https', 'wss')}/notifications/ws"
    options: dict[str, Any] = {"ssl": context, "proxy": None, "local_addr": (address, 0)}
    try:
        async with websockets.connect(url, additional_headers=bearer(token), **options):
            return 101
    except websockets.InvalidStatus as exc:
        return exc.response.status_code


async def test_nobody_below_the_limit_is_refused_and_beyond_it_streams_come_back_later(
    limited: Proxy, gateways: Gateways
) -> None:
    """An EventSource is told to come back, as one that is answered 429 never does; a WebSocket is answered 429. What is
    no stream is not counted, nor refused; nor is another address. Who ends makes room.
    """
    token, publisher = gateways[0].token("alice"), gateways[0].token("shop", scope=PUBLISH)
    here, elsewhere = "127.0.0.1", "127.0.3.1"
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(_client(limited, token, here))
        other = await stack.enter_async_context(_client(limited, token, elsewhere))
        for _ in range(LIMIT - 1):
            assert "event: connected" in await stack.enter_async_context(_asked(http))
        assert await _web_socket(limited, token, here) == 101

        last = await stack.enter_async_context(_opened(http, what="the place of the WebSocket"))
        for _ in range(3):
            async with _asked(http) as said:
                assert said == BUSY
            assert await _web_socket(limited, token, here) == 429
            assert (await http.get("/notifications/history")).status_code == 200
            answer = await http.post("/notifications", json=notification("bob"), headers=bearer(publisher))
            assert answer.status_code == 201
        for _ in range(LIMIT):
            assert "event: connected" in await stack.enter_async_context(_asked(other))
        await last.aclose()
        await stack.enter_async_context(_opened(http, what="the place of that stream"))
        async with _asked(http) as said:
            assert said == BUSY
