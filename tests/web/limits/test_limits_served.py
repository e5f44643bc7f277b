"""Limits on a running service: whoever is over one is told so in the form that suits him; nobody else is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.polling import eventually, until
from tests.support.service import Service, ServiceFactory
from tests.support.streams import Listening

ORIGIN = "https://app.example.org"
WAYS = {"door": {}, "hypercorn": {"Content-Length": "0"}}


async def _running(service: ServiceFactory, **env: str) -> Api:
    """A service in a process of its own: only there is a door."""
    return Api(await asyncio.to_thread(service, env=env))


def _from(address: str, token: str = "") -> dict[str, str]:
    return {"X-Forwarded-For": address} | (bearer(token) if token else {})


async def _refused_stream(service: Service, headers: dict[str, str]) -> dict[str, object]:
    """What a stream says that is refused."""
    opened = await Listening.open(service.url + STREAM, headers=headers)
    async with opened as stream:
        assert stream.stream.status == 200
        closing = (await stream.event("closing")).json()
        await stream.end()
        assert closing["retry_ms"] == stream.stream.parser.retry_ms
        return closing


def _check_limited(answer: httpx.Response, limit: str, *, most_s: int) -> None:
    assert answer.status_code == 429, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert (document["code"], document["limit"], document["status"]) == ("limited", limit, 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= most_s


async def test_rates_refuse_one_client_and_no_other(service: ServiceFactory) -> None:
    """Each rate, by the address that the proxy names or by whose token it is; 0 in the metric before it refuses."""
    limits = {
        "LIMIT_CONNECTS_PER_ADDRESS": "4/hour",
        "LIMIT_CONNECTS_PER_RECIPIENT": "2/hour",
        "LIMIT_PUBLISHES_PER_PRINCIPAL": "2/hour",
        "LIMIT_HISTORY_PER_RECIPIENT": "2/hour",
        "LIMIT_REQUESTS_PER_RECIPIENT": "4/hour",
        "LIMIT_UNAUTHENTICATED_PER_ADDRESS": "2/hour",
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "CORS_ORIGINS": ORIGIN,
    }
    async with await _running(service, **limits) as api:

        async def counted(limit: str) -> float:
            exposed = (await api.http.get("/metrics")).text
            name = f'notify_sse_limited_total{{limit="{limit}"}}'
            return next(float(line.split()[-1]) for line in exposed.splitlines() if line.startswith(name))

        assert await counted("history_per_recipient") == await counted("max_connections") == 0
        await _check_streams(api.service, api)
        await _check_websockets(api.service)
        alice = api.service.token("alice", scope="notifications:read notifications:publish")
        for path, limit, send in (
            ("/notifications", "publishes_per_principal", notification("bob")),
            ("/notifications/history", "history_per_recipient", None),
        ):
            method = "POST" if send else "GET"
            for _ in range(2):
                assert (await api.http.request(method, path, json=send, headers=bearer(alice))).is_success
            _check_limited(await api.http.request(method, path, json=send, headers=bearer(alice)), limit, most_s=3600)
        assert (await api.history("carol")).status_code == 200
        recall = ("DELETE", "/notifications/x?recipient_id=bob", None)
        _check_limited(await _asked(api, recall, alice), "publishes_per_principal", most_s=3600)
        requests: tuple[tuple[str, str, Any], ...] = (
            ("POST", "/notifications/read", {"ids": []}),
            ("GET", "/notifications/unread", None),
            ("POST", "/notifications/ticket", None),
        )
        for request in (*requests, requests[0]):
            assert (await _asked(api, request, alice)).is_success
        for request in requests:
            _check_limited(await _asked(api, request, alice), "requests_per_recipient", most_s=3600)
        await _check_bad_tokens(api.service, api)
        for limit in ("connects_per_address", "history_per_recipient", "unauthenticated_per_address"):
            assert await counted(limit) >= 1


async def _asked(api: Api, request: tuple[str, str, Any], token: str) -> httpx.Response:
    method, path, document = request
    return await api.http.request(method, path, json=document, headers=bearer(token))


async def _check_streams(service: Service, api: Api) -> None:
    for number, way in enumerate(WAYS.values()):
        address = f"203.0.113.{number}"
        for name in ("dora", "dora", "emil", "emil"):
            headers = _from(address, service.token(f"{name}-{number}"))
            async with await Listening.open(service.url + STREAM, headers=headers | way) as stream:
                await stream.event("connected")
        dora = _from("203.0.113.99", service.token(f"dora-{number}"))
        assert (await _refused_stream(service, dora | way))["reason"] == "busy"
        _check_limited(await api.http.get(STREAM, headers=dora), "connects_per_recipient", most_s=3600)
        other = _from(address, service.token("frida")) | {"Origin": ORIGIN}
        assert (await _refused_stream(service, other | way))["reason"] == "busy"
        answer = await api.http.get(STREAM, headers=other)
        _check_limited(answer, "connects_per_address", most_s=3600)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Connection"] == "close"


async def _check_websockets(service: Service) -> None:
    url = f"ws://127.0.0.1:{service.port}/notifications/ws"
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers=_from("203.0.113.1", service.token("georg")))
    assert caught.value.response.status_code == 429
    assert int(caught.value.response.headers["Retry-After"]) > 0
    async with connect(url, additional_headers=_from("203.0.113.50", service.token("georg"))) as websocket:
        assert '"connected"' in str(await websocket.recv())


async def _check_bad_tokens(service: Service, api: Api) -> None:
    """A valid token is taken from the same address: others may be behind it."""
    bad = _from("203.0.113.70", "nonsense")
    for _ in range(2):
        assert (await api.http.get("/notifications/history", headers=bad)).status_code == 401
    _check_limited(
        await api.http.get("/notifications/history", headers=bad), "unauthenticated_per_address", most_s=3600
    )
    assert (await _refused_stream(service, bad))["reason"] == "busy"
    good = _from("203.0.113.70", service.token("hugo"))
    assert (await api.http.get("/notifications/history", headers=good)).status_code == 200
    assert (await api.http.get("/notifications/history", headers=_from("203.0.113.71"))).status_code == 401


@asynccontextmanager
async def _silent(service: Service, count: int) -> AsyncIterator[None]:
    """Sockets on which nothing is said."""
    writers = [(await asyncio.open_connection("127.0.0.1", service.port))[1] for _ in range(count)]
    try:
        yield
    finally:
        for writer in writers:
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_connections_over_a_limit_are_refused_until_others_end(service: ServiceFactory) -> None:
    """Sockets count that say nothing, that Hypercorn keeps, and that carry a stream or a WebSocket."""
    served = (await _running(service, MAX_CONNECTIONS="4", CORS_ORIGINS=ORIGIN)).service
    async with httpx.AsyncClient(base_url=served.url) as kept:
        assert (await kept.get("/healthz")).status_code == 200
        alice = served.token("alice")
        url = f"ws://127.0.0.1:{served.port}/notifications/ws"
        async with (
            await Listening.open(served.url + STREAM, headers=bearer(alice)) as stream,
            connect(url, additional_headers=bearer(alice)) as websocket,
        ):
            await stream.event("connected")
            await websocket.recv()
            async with _silent(served, 1):
                await _check_no_room(served, alice)
            await _come_back(served)
        assert (await kept.get("/healthz")).status_code == 200
        for route in ("/notifications/history", "/notifications", "/notifications/ws"):
            assert f'http_requests_total{{route="{route}",status="429"}} 1.0' in (await kept.get("/metrics")).text

        async def gone() -> bool:
            return "notify_sse_connections 1.0" in (await kept.get("/metrics")).text

        await eventually(gone, what="every socket to be uncounted")


async def _check_no_room(service: Service, token: str) -> None:
    for way in WAYS.values():
        assert (await _refused_stream(service, bearer(token) | way))["reason"] == "busy"
    async with httpx.AsyncClient(base_url=service.url) as other:
        answer = await other.get("/notifications/history", headers=bearer(token) | {"Origin": ORIGIN})
        _check_limited(answer, "max_connections", most_s=10)
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Connection"] == "close"
        await until(lambda: answer.headers["X-Request-ID"] in service.logged(), what="the record")
        _check_limited(await other.post("/notifications", json={}), "max_connections", most_s=10)
        for probe in ("/healthz", "/readyz"):
            assert (await other.get(probe)).status_code == 200, "else it would be restarted for having many clients"
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{service.port}/notifications/ws", additional_headers=bearer(token))
    assert caught.value.response.status_code == 429
    routes = ("/notifications/history", "/notifications", "/notifications/ws", STREAM)
    # Of a WebSocket it comes after the answer.
    await until(lambda: all(f"route={route} " in service.logged() for route in routes), what="a record of each refusal")


async def _come_back(service: Service) -> None:
    async def served() -> bool:
        async with httpx.AsyncClient(base_url=service.url) as other:
            return (await other.get("/asyncapi.json")).status_code == 200

    await eventually(served, what="room for one more")


async def test_behind_a_proxy_connections_count_for_the_client_that_it_names(service: ServiceFactory) -> None:
    """For as long as its stream is open, or its request is answered. The proxy itself has no such limit."""
    limits = {"MAX_CONNECTIONS_PER_ADDRESS": "2", "TRUSTED_PROXIES": "127.0.0.1,::1"}
    async with await _running(service, **limits) as api, _silent(api.service, 5):
        for number, way in enumerate(WAYS.values()):
            mine = _from(f"203.0.113.{number}", api.service.token(fresh("alice")))
            assert (await api.http.post("/notifications", headers=mine, content=b"{}")).status_code == 403
            mine |= way
            async with (
                await Listening.open(api.service.url + STREAM, headers=mine) as first,
                await Listening.open(api.service.url + STREAM, headers=mine) as second,
            ):
                await first.event("connected")
                await second.event("connected")
                assert (await _refused_stream(api.service, mine))["reason"] == "busy"
                answer = await api.http.get("/asyncapi.json", headers=mine)
                _check_limited(answer, "max_connections_per_address", most_s=10)
                theirs = mine | {"X-Forwarded-For": "203.0.113.9"}
                async with await Listening.open(api.service.url + STREAM, headers=theirs) as other:
                    await other.event("connected")

            async def served(mine: dict[str, str] = mine) -> bool:
                return (await api.http.get("/asyncapi.json", headers=mine)).status_code == 200

            await eventually(served, what="the streams to be uncounted")


async def test_a_client_that_makes_its_address_unreadable_counts_with_its_like(service: ServiceFactory) -> None:
    """As the proxy's address. It gains nothing, and what the proxy asks for itself is answered nevertheless."""
    limits = {"MAX_CONNECTIONS_PER_ADDRESS": "1", "TRUSTED_PROXIES": "127.0.0.1"}
    async with await _running(service, **limits) as api:
        mine = _from("203.0.113.1", api.service.token("alice"))
        url = api.service.url + STREAM
        async with await Listening.open(url, headers=mine | {"Forwarded": "for=198.51.100.7"}) as first:
            await first.event("connected")
            for unreadable in ({"Forwarded": "for=198.51.100.8"}, {"X-Forwarded-For": "me"}):
                assert (await _refused_stream(api.service, mine | unreadable))["reason"] == "busy"
            assert (await api.http.get("/readyz")).status_code == 200
            async with await Listening.open(url, headers=mine) as honest:
                await honest.event("connected")


async def _answer(service: Service, *parts: bytes) -> bytes:
    """All that is answered to a request that is never complete, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        async with asyncio.timeout(30):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    finally:
        await _close(writer)


async def test_a_request_has_its_time_whoever_reads_it(service: ServiceFactory) -> None:
    """REQUEST_TIMEOUT_S, for a head and for a body: at the door, at Hypercorn, for the first request and for a later
    one; with a token and without.
    """
    async with await _running(service, REQUEST_TIMEOUT_S="0.4") as api:
        publisher = api.service.token("p", scope="notifications:publish")
        body = (
            f"POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {publisher}\r\nContent-Length: 9\r\n\r\n"
        )
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        answers = await asyncio.gather(
            _answer(api.service, b"GET /notifications/stream HTTP/1.1\r\nHo"),
            _answer(api.service, b"POST /notifications HTTP/1.1\r\nHo"),
            _answer(api.service, whole + b"GET /heal"),
            _answer(api.service, body.encode() + b"1234"),
            _answer(api.service, b"POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1234"),
            _answer(api.service, b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab"),
        )
        statuses = [[part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] for answer in answers]
        assert statuses == [[b"408"], [b"408"], [b"200", b"408"], [b"408"], [b"401"], [b"200"]]
        assert b'"code":"request_timeout"' in answers[3]
        await _answer(api.service, b"BROKEN\r\n\r\n")
        assert await api.metric('notify_sse_http_requests_total{route="other",status="408"}') == 3
        assert await api.metric('notify_sse_http_requests_total{route="other",status="400"}') == 1
        for code in ("http_408", "http_400"):
            assert api.service.logged().count(f"code={code} address=127.0.0.1 refused=1") == 1, "not one for each"


async def test_a_refused_upgrade_ends_its_connection(service: ServiceFactory) -> None:
    """Without a key, of another version, with more behind it than a client may send yet: nobody keeps the socket."""
    async with await _running(service) as api:
        upgrade = b"GET /notifications/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        for lines in (b"", key + b"Sec-WebSocket-Version: 7\r\n"):
            answer = await _answer(api.service, upgrade + lines + b"\r\n")
            assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 426 ")), answer


async def test_http_2_is_refused_and_offers_of_it_are_ignored(service: ServiceFactory) -> None:
    """Prior knowledge gets an answer and the end of its connection, with or without more behind it; an offer gets what
    it asks for over HTTP/1.1, with a body and without.
    """
    async with await _running(service) as api:
        publisher = api.service.token("p", scope="notifications:publish")
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        for said in (preface, preface + settings, preface[:18]):
            assert (await _answer(api.service, said)).startswith(b"HTTP/1.1 505 ")
        offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        close = offer.replace("Connection: ", "Connection: close, ")
        assert (await _answer(api.service, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{close}\r\n".encode())).startswith(
            b"HTTP/1.1 200 "
        )
        head = f"POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {publisher}\r\n{close}"
        sent = b'{"recipient_id":"a","notification_type":"t","payload":{}}'
        for length, framed in (
            (f"Content-Length: {len(sent)}", sent),
            ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)),
        ):
            answer = await _answer(api.service, f"{head}{length}\r\n\r\n".encode() + framed)
            assert answer.startswith(b"HTTP/1.1 201 "), answer


async def test_bodies_that_are_held_back_have_a_budget(service: ServiceFactory) -> None:
    """Of one principal, so that another's publish is taken; and it comes back with their end."""
    async with await _running(service) as api:
        mallory = api.service.token("mallory", scope="notifications:publish")
        head = f"POST /notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {mallory}\r\n"
        part = f"{head}Content-Length: 8000000\r\n\r\n".encode() + b" " * 7_999_999
        async with _held_back(api.service, part, count=4):

            async def four_are_held() -> bool:
                return await api.metric("notify_sse_body_bytes") > 31_000_000

            await eventually(four_are_held, what="four bodies under way")
            answer = await api.http.post("/notifications", content=b" " * 2_000_000, headers=bearer(mallory))
            _check_limited(answer, "body_bytes", most_s=10)
            await api.publish("alice")

        async def given_back() -> bool:
            return await api.metric("notify_sse_body_bytes") == 0

        await eventually(given_back, what="the bytes of those who went")


@asynccontextmanager
async def _held_back(service: Service, part: bytes, *, count: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            stack.push_async_callback(_close, writer)
            writer.write(part)
            await writer.drain()
        yield
