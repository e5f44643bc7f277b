"""How a stream ends: each end has its reason in `closing`, and is then carried out."""

import asyncio
import contextlib
import socket
import struct
import time

import pytest

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.streams import Listening


async def _expect_closing(stream: Listening, reason: str) -> None:
    """`closing` with its reason, a delay and the cursor, and then the proper end of the response."""
    closing = await stream.event("closing")
    told = closing.json()
    assert told["reason"] == reason
    assert told["retry_ms"] == closing.retry_ms
    assert told["cursor"] == closing.id
    assert isinstance(closing.retry_ms, int)
    assert 1500 <= closing.retry_ms <= 4500
    assert await stream.end()


async def test_a_stream_ends_with_its_token(shared: Service) -> None:
    """`expiring` while there is time to fetch another token, `closing` at `exp`, then the end; what comes meanwhile
    is delivered.
    """
    async with Api(shared) as api:
        alice = fresh("alice")
        ends_at = time.time() + 4
        async with api.stream(alice, token=shared.token(alice, ttl_s=4)) as stream:
            await stream.event("connected")
            expiring = await stream.event("expiring")
            left_s = ends_at - time.time()
            assert 0 < left_s < 3
            assert abs(float(str(expiring.json()["expires_in_s"])) - left_s) < 1.5
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published
            await _expect_closing(stream, "token_expired")
            assert -0.1 < time.time() - ends_at < 4
            assert stream.cursor >= published


async def test_a_new_token_goes_on_without_a_gap(shared: Service) -> None:
    """At `expiring` the client opens the next stream with its cursor: nothing lost, nothing twice."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice, token=shared.token(alice, ttl_s=1.5)) as old:
            await old.event("connected")
            await old.event("expiring")
            async with api.stream(alice, last_event_id=old.cursor) as new:
                await new.event("connected")
                first = await api.publish(alice)
                assert (await new.event("message")).id == first
                await old.end()


async def test_ending_the_session_closes_its_streams(plain: Service) -> None:
    """DELETE /notifications/session ends what was opened with that token, and nobody else's streams."""
    async with Api(plain) as api:
        alice = fresh("alice")
        token, other = plain.token(alice, ttl_s=100), plain.token(alice, ttl_s=200)
        async with api.stream(alice, token=token) as ended, api.stream(alice, token=other) as kept:
            await ended.event("connected")
            await kept.event("connected")
            answer = await api.http.delete("/notifications/session", headers=bearer(token))
            assert answer.status_code == 204
            await _expect_closing(ended, "revoked")
            published = await api.publish(alice)
            assert (await kept.event("message")).id == published


async def test_ending_the_session_closes_its_streams_in_every_process(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """Whichever worker takes the DELETE."""
    options: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    running = await asyncio.to_thread(service, workers=2, **options)
    async with Api(running) as api, contextlib.AsyncExitStack() as stack:
        token = running.token(alice := fresh("alice"))
        streams = [await stack.enter_async_context(api.stream(alice, token=token)) for _ in range(10)]
        for stream in streams:
            await stream.event("connected")
        answer = await api.http.delete("/notifications/session", headers=bearer(token))
        assert answer.status_code == 204
        for stream in streams:
            await _expect_closing(stream, "revoked")


async def test_over_the_recipients_limit_the_oldest_is_replaced(service: ServiceFactory) -> None:
    """A forgotten tab does not lock its owner out; other recipients' streams are untouched."""
    running = await asyncio.to_thread(service, env={"MAX_STREAMS_PER_RECIPIENT": "2"})
    async with Api(running) as api, api.stream("bob") as bob:
        await bob.event("connected")
        async with api.stream("alice") as first, api.stream("alice") as second:
            await first.event("connected")
            await second.event("connected")
            async with api.stream("alice") as third:
                await third.event("connected")
                await _expect_closing(first, "replaced")
                published = await api.publish("alice")
                assert (await second.event("message")).id == published
                assert (await third.event("message")).id == published
        published = await api.publish("bob")
        assert (await bob.event("message")).id == published


async def test_refused_for_load_an_event_source_is_told_to_come_back(service: ServiceFactory) -> None:
    """200, `retry:` and the end for who asks for an event stream (EventSource gives up for ever on a 503); 503 with
    `Retry-After` for everyone else. Once there is room, the client is let in.
    """
    running = await asyncio.to_thread(service, env={"MAX_STREAMS": "1"})
    async with Api(running) as api:
        async with api.stream("alice") as stream:
            await stream.event("connected")
            delays = set()
            for _ in range(6):
                async with api.stream("bob") as refused:
                    assert refused.stream.status == 200
                    assert refused.stream.header("Content-Type") == "text/event-stream; charset=utf-8"
                    assert refused.stream.header("Cache-Control") == "no-store, no-transform"
                    assert await refused.end()
                    [closing] = refused.messages
                    assert (closing.event, closing.id) == ("closing", None)
                    assert closing.json() == {"reason": "busy", "retry_ms": closing.retry_ms}
                    assert refused.stream.raw.startswith(b"retry: "), "EventSource reads `retry:` only"
                    delays.add(closing.retry_ms)
            assert len(delays) > 1, "they would all come back at once"
            assert all(delay and 2000 <= delay <= 10_000 for delay in delays)
            for accept in ("*/*", "application/json"):
                answer = await api.http.get(STREAM, headers=bearer(running.token("bob")) | {"Accept": accept})
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.json()["code"] == "overloaded"
            assert await api.metric('notify_sse_streams_refused_total{limit="max_streams"}') == 8
        await _let_in(api)


async def _let_in(api: Api) -> None:
    async def let_in() -> bool:
        async with api.stream("bob") as stream:
            try:
                return (await stream.next()).event == "connected"
            except EOFError:
                return False

    await eventually(let_in, what="room")


@pytest.mark.parametrize("cut", ["abort", "close"])
async def test_a_client_that_leaves_is_let_go(plain: Service, cut: str) -> None:
    """Nothing of it stays: the gauge of open streams goes back to where it was."""
    async with Api(plain) as api:
        before = await api.metric("notify_sse_streams")
        streams = [await _opened(plain) for _ in range(10)]
        assert await api.metric("notify_sse_streams") == before + 10
        for stream in streams:
            if cut == "abort":
                stream.stream.drop()
            else:
                stream.stream.close()

        async def let_go() -> bool:
            return await api.metric("notify_sse_streams") == before

        await eventually(let_go, what="the streams to be let go")


@pytest.mark.parametrize("cut", ["abort", "close"])
async def test_a_client_that_leaves_with_more_behind_its_request_is_let_go(service: ServiceFactory, cut: str) -> None:
    """A server that does not read behind a request under way hears of no end: the socket's own end does it. Without
    waiting for a write, such as a heartbeat, that fails. So does more than the server keeps unread.
    """
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "60"})
    async with Api(running) as api:
        token, transports = running.token(fresh("alice")).encode(), []
        for length, times in ((b"", 3), (b"Content-Length: 0\r\n", 3), (b"", 6_000)):
            request = b"GET %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n%b\r\n"
            behind = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * times
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(request % (STREAM.encode(), token, length) + behind)
            await reader.readuntil(b"event: connected")
            transports.append(writer.transport)
            if cut == "abort":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()

        async def let_go() -> bool:
            return await api.metric("notify_sse_streams") == 0

        await eventually(let_go, what="the streams to be let go", within_s=15)
        for transport in transports:
            transport.abort()


async def _opened(service: Service) -> Listening:
    token = service.token(fresh("alice"))
    stream = await Listening.open(service.url + STREAM, headers=bearer(token))
    await stream.event("connected")
    return stream
