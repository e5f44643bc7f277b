"""Heads with too many fields: each layer would look through all of them, for whoever sends a few kilobytes."""

import asyncio

import pytest

from notify_sse.web.door.head import MAX_FIELDS
from tests.support.service import Service

REQUESTS = {
    "a stream": b"GET /notifications/stream HTTP/1.1",
    "a WebSocket": b"GET /notifications/ws HTTP/1.1",
    "a publish": b"POST /notifications HTTP/1.1",
    "anything": b"GET /healthz HTTP/1.1",
}


def _head(start: bytes, fields: int) -> bytes:
    return b"\r\n".join((start, b"Host: x", *(b"X-%d: y" % number for number in range(fields - 1)), b"", b""))


async def _answer(service: Service, head: bytes, *, after: bytes = b"") -> bytes:
    """What is answered to `head`, the second request of its connection when there is one before it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        async with asyncio.timeout(30):
            if after:
                writer.write(after)
                assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
            writer.write(head)
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


@pytest.mark.parametrize("start", REQUESTS.values(), ids=REQUESTS)
async def test_a_head_of_too_many_fields_is_refused_whatever_it_asks_for(plain: Service, start: bytes) -> None:
    assert (await _answer(plain, _head(start, MAX_FIELDS + 1))).startswith(b"HTTP/1.1 431 ")
    assert (await _answer(plain, _head(start, 15_000))).startswith(b"HTTP/1.1 431 ")
    assert not (await _answer(plain, _head(start, MAX_FIELDS))).startswith(b"HTTP/1.1 431 ")


async def test_the_second_request_of_a_connection_is_no_other(plain: Service) -> None:
    first, second = (_head(REQUESTS["anything"], fields) for fields in (2, MAX_FIELDS + 1))
    assert (await _answer(plain, second, after=first)).startswith(b"HTTP/1.1 431 ")
    assert "http_431" in plain.logged()


@pytest.mark.parametrize("start", ["http://example.org", "HTTPS://example.org:8443", "http://[::1]:80"])
async def test_a_target_that_names_its_host_is_taken(plain: Service, start: str) -> None:
    """As it is written for a proxy (RFC 9112, 3.2.2)."""
    for path, wanted in (
        ("/healthz", b"HTTP/1.1 200 "),
        ("/nowhere", b"HTTP/1.1 404 "),
        ("/readyz?strict=1", b"HTTP/1.1 200 "),
    ):
        assert (await _answer(plain, _head(f"GET {start}{path} HTTP/1.1".encode(), 2))).startswith(wanted), path
    asked = (
        f"GET {start}/notifications/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.token('alice')}\r\n\r\n"
    )
    assert b"text/event-stream" in await _answer(plain, asked.encode())


@pytest.mark.parametrize(("host", "status"), [("push.example.org", b"200"), ("other.example.org", b"401")])
async def test_the_host_that_a_target_names_is_believed(plain: Service, host: str, status: bytes) -> None:
    """Over that of the field: whether a page is our own, and may use the cookie, goes by it."""
    head = (
        f"GET http://{host}/notifications/history HTTP/1.1\r\nHost: push.example.org\r\n"
        f"Cookie: notify_sse_session={plain.token('alice')}\r\nOrigin: https://push.example.org\r\n\r\n"
    )
    assert (await _answer(plain, head.encode())).startswith(b"HTTP/1.1 " + status)
