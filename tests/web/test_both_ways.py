"""A stream is the same whether the door carries it or Hypercorn does: what is odd about a request is no loss to it."""

import asyncio
import socket

import pytest

from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service
from tests.support.streams import Listening
from tests.web.conftest import ORIGIN

WAYS = {"door": {}, "hypercorn": {"Content-Length": "0"}}
"""An empty body is Hypercorn's to read."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """Headers that lead a request this way."""
    headers: dict[str, str] = WAYS[request.param]
    return headers


async def test_the_two_ways_are_two(plain: Service) -> None:
    """Only h11 writes this header with capitals. (Else these tests would compare a thing with itself.)"""
    for way, header in (("door", b"\r\ntransfer-encoding: "), ("hypercorn", b"\r\nTransfer-Encoding: ")):
        reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
        lines = {"Host": "x", **bearer(plain.token(fresh("alice"))), **WAYS[way]}
        request = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"GET {STREAM} HTTP/1.1\r\n{request}\r\n".encode())
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert head.count(header) == 1


async def test_a_stream_resumes_and_goes_live(shared: Service, way: dict[str, str]) -> None:
    """Replay in order, then live; many notifications at once, which arrive as they were sent."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        documents = [notification(alice, payload={"n": n, "text": "x" * 500}) for n in range(300)]
        missed = await api.publish_many(documents[:200])
        async with api.stream(alice, last_event_id=start, headers=way) as stream:
            await stream.event("connected")
            live = await api.publish_many(documents[200:])
            assert [(await stream.event("message")).id for _ in documents] == missed + live
            await stream.event("heartbeat")


async def test_a_stream_ends_properly_with_its_token(plain: Service, way: dict[str, str]) -> None:
    async with Api(plain) as api:
        alice = fresh("alice")
        async with api.stream(alice, token=plain.token(alice, ttl_s=1.5), headers=way) as stream:
            await stream.event("connected")
            await stream.event("expiring")
            assert (await stream.event("closing")).json()["reason"] == "token_expired"
            assert await stream.end()


async def test_a_client_that_goes_is_let_go(plain: Service, way: dict[str, str]) -> None:
    """By closing, by a reset, and by ending only its own side: streams are never more than sockets."""
    async with Api(plain) as api:
        alice = fresh("alice")
        before = await api.metric("notify_sse_streams")
        for leave in ("close", "drop"):
            async with api.stream(alice, headers=way) as stream:
                await stream.event("connected")
                getattr(stream.stream, leave)()
        with socket.create_connection(("127.0.0.1", plain.port), timeout=30) as half:
            lines = {"Host": "x", **bearer(plain.token(alice)), **way}
            request = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            half.sendall(f"GET {STREAM} HTTP/1.1\r\n{request}\r\n".encode())
            half.shutdown(socket.SHUT_WR)

            async def let_go() -> bool:
                return await api.metric("notify_sse_streams") == before

            await eventually(let_go, what="the streams to be let go")


async def test_an_event_name_is_the_type_when_asked_for(plain: Service, way: dict[str, str]) -> None:
    async with Api(plain) as api:
        alice = fresh("alice")
        async with api.stream(alice, params={"event_names": "type"}, headers=way) as stream:
            await stream.event("connected")
            await api.publish(alice, notification_type="system_alert")
            assert (await stream.event("system_alert")).json()["notification_type"] == "system_alert"


async def test_an_unknown_cursor_waits_for_the_log_and_is_reset(plain: Service, way: dict[str, str]) -> None:
    """The one request that cannot be answered at once."""
    async with Api(plain) as api:
        epoch, _, position = (await api.head()).rpartition(".")
        ahead = f"{epoch}.{int(position) + 1_000_000}"
        async with api.stream(fresh("alice"), last_event_id=ahead, headers=way) as stream:
            await stream.event("connected")
            assert (await stream.event("reset")).json()["reason"] == "ahead_of_log"


@pytest.mark.parametrize(("topics", "status", "code"), [("", 401, "unauthorized"), ("secrets", 403, "forbidden")])
async def test_a_refusal_is_readable_from_other_origins(
    plain: Service, way: dict[str, str], topics: str, status: int, code: str
) -> None:
    """Status, problem document and CORS headers."""
    token = plain.token("alice") if topics else "none"
    opened = await Listening.open(
        plain.url + STREAM, params={"topics": topics}, headers={"Origin": ORIGIN, **bearer(token), **way}
    )
    async with opened:
        answer = opened.stream
        assert answer.status == status
        assert answer.header("Content-Type") == "application/problem+json"
        assert answer.header("Access-Control-Allow-Origin") == ORIGIN
        assert answer.header("Date")

        async def whole() -> bool:
            return f'"code":"{code}"'.encode() in answer.body

        await eventually(whole, what="the problem document")
