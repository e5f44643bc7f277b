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
        async with asyncio.timeout(10):
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
    assert not (await _answer(plain, _head(start, MAX_FIELDS))).startswith(b"HTTP/1.1 431 ")


async def test_the_second_request_of_a_connection_is_no_other(plain: Service) -> None:
    first, second = (_head(REQUESTS["anything"], fields) for fields in (2, MAX_FIELDS + 1))
    assert (await _answer(plain, second, after=first)).startswith(b"HTTP/1.1 431 ")
    assert "http_431" in plain.logged()
