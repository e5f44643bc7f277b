"""What comes in crumbs (chunks of a byte, lines of three) costs a service far more than its bytes, so it has limits of
its own; and what is whole is taken, however it comes.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import httpx
import pytest

from notify_sse.web.door.head import LINES_AT_ONCE, MAX_FIELDS
from notify_sse.web.http.body import DISCARDED_PARTS, MAX_PARTS
from tests.support.api import Api, bearer
from tests.support.service import Service

PUBLISH: Final = "notifications:publish"
CRUMB: Final = b"1\r\n \r\n"
UPGRADE: Final = (
    "GET /notifications/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {}\r\n\r\n"
)


async def _publish_in_parts(api: Api, parts: list[bytes]) -> httpx.Response:
    async def one_by_one() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    headers = bearer(api.publisher) | {"Content-Type": "application/json"}
    return await api.http.post("/notifications", content=one_by_one(), headers=headers)


async def test_a_body_that_comes_token_by_token_is_taken(plain: Service) -> None:
    """As a JSON encoder gives it that writes what it has."""
    document = {"recipient_id": "alice", "notification_type": "note", "payload": {"all": list(range(900))}}
    async with Api(plain) as api:
        parts = [token.encode() for token in json.JSONEncoder().iterencode(document)]
        assert len(parts) > 900
        assert (await _publish_in_parts(api, parts)).status_code == 201


async def test_a_body_of_crumbs_is_refused_and_named(plain: Service) -> None:
    async with Api(plain) as api:
        answer = await _publish_in_parts(api, [b" "] * (MAX_PARTS + MAX_PARTS // 32))
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_request", "body")
        assert f"over {MAX_PARTS} parts" in answer.json()["detail"]


async def test_who_is_refused_is_not_listened_to_for_ever(plain: Service) -> None:
    """Crumb by crumb, the megabytes that are thrown away for a client that sends on would be minutes of work."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    head = b"POST /notifications HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    try:
        async with asyncio.timeout(20):
            writer.write(head + CRUMB * (DISCARDED_PARTS * 3))  # and nothing more: it is no whole request
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 401 ")
            with suppress(ConnectionResetError):
                await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("count", [MAX_FIELDS + 2, LINES_AT_ONCE * 20])
async def test_trailers_have_the_limit_of_fields(plain: Service, count: int) -> None:
    """Those over it are refused before anybody looks at them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    asked = f"POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {plain.token('p', scope=PUBLISH)}\r\n"
    head = asked.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n"
    try:
        async with asyncio.timeout(30):
            writer.write(head + b"a:\r\n" * count)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 431 ")
    finally:
        writer.close()


async def test_a_body_of_many_lines_is_whole(plain: Service) -> None:
    """Hypercorn is given a few lines at a time."""
    document = {"recipient_id": "alice", "notification_type": "note", "payload": {"all": list(range(1500))}}
    async with Api(plain) as api:
        body = json.dumps(document, indent=1).encode()
        assert body.count(b"\n") > LINES_AT_ONCE * 3
        answer = await _publish_in_parts(api, [body])
        assert answer.status_code == 201, answer.text


async def test_frames_of_many_lines_behind_a_handshake_are_not_lost(plain: Service) -> None:
    """The handshake is the second request of its connection, so Hypercorn has read what is behind it."""
    message = b'{"type": "ping"' + b"\n" * (LINES_AT_ONCE * 3) + b"}"
    frame = b"\x81\xfe" + len(message).to_bytes(2, "big") + bytes(4) + message
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    try:
        async with asyncio.timeout(30):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
            writer.write(UPGRADE.format(plain.token("alice")).encode() + frame * 2)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            for _ in range(2):
                await reader.readuntil(b'"pong"')
    finally:
        writer.close()
