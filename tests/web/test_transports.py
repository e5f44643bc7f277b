"""What is written straight to a socket reaches the client that the stream is for, and nobody else."""

import asyncio
import socket
import struct
import subprocess

import pytest

from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.support.services import PostgresServer

RESET = struct.pack("ii", 1, 0)


def _connect(to: tuple[str, int], *, source: tuple[str, int]) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(source)
    sock.settimeout(20)
    sock.connect(to)
    return sock


def _request(token: str, path: str = STREAM, *, cursor: str = "") -> bytes:
    resume = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n{resume}\r\n"
    ).encode()


def _read_until(sock: socket.socket, wanted: bytes) -> bytes:
    said = b""
    while wanted not in said:
        part = sock.recv(65536)
        assert part, said
        said += part
    return said


async def test_a_port_that_is_used_again_is_another_client(
    service: ServiceFactory, postgres_server: PostgresServer, database_url: str, free_port: int
) -> None:
    """Alice's request waits for the log; she goes, and Bob comes from the same address and port, as behind a proxy.
    What is written for her then goes nowhere.
    """
    running = await asyncio.to_thread(service, database_url=database_url)
    async with Api(running) as api:
        epoch, _, position = (await api.head()).rpartition(".")
        ahead = f"{epoch}.{int(position) + 1000}"
        place, source = ("127.0.0.1", running.port), ("127.0.0.1", free_port)
        postgres_server.freeze()
        alice = _connect(place, source=source)
        alice.sendall(_request(running.token("alice"), cursor=ahead))
        assert await asyncio.to_thread(_waits_for_the_log, running)
        alice.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        alice.close()
        bob = _connect(place, source=source)
        bob.sendall(_request(running.token("bob")))
        said = await asyncio.to_thread(_read_until, bob, b"event: connected")
        postgres_server.thaw()

        async def both_opened() -> bool:
            return await api.metric('notify_sse_streams_opened_total{transport="sse"}') == 2

        await eventually(both_opened, what="Alice's request to go on")
        published = await api.publish("bob")
        said += await asyncio.to_thread(_read_until, bob, published.encode())
        bob.close()
    assert said.count(b"event: connected") == 1, said
    assert b"event: reset" not in said


def _waits_for_the_log(running: Service) -> bool:
    """Its request has been read: nothing of it is left in the service's socket."""
    with _connect(("127.0.0.1", running.port), source=("127.0.0.1", 0)) as probe:
        probe.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return b"200" in _read_until(probe, b"ok")


async def test_two_connections_from_one_port_are_two_clients(service: ServiceFactory, free_port: int) -> None:
    """To two addresses of the service, which a client may well do from one port."""
    running = await asyncio.to_thread(service, args=["--host", "0.0.0.0"])
    async with Api(running) as api:
        source = ("127.0.0.1", free_port)
        first = _connect(("127.0.0.1", running.port), source=source)
        second = _connect(("127.0.0.2", running.port), source=source)
        for sock, name in ((second, "bob"), (first, "alice")):
            sock.sendall(_request(running.token(name)))
            await asyncio.to_thread(_read_until, sock, b"event: connected")
        for sock, name in ((first, "alice"), (second, "bob")):
            published = await api.publish(name)
            said = await asyncio.to_thread(_read_until, sock, published.encode())
            assert f'"recipient_id":"{name}"'.encode() in said
            sock.close()


async def test_who_asks_for_more_behind_its_stream_and_leaves_is_let_go(service: ServiceFactory) -> None:
    """A pipelined request keeps the server from reading the end of the connection; the next write finds it."""
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"})
    async with Api(running) as api:
        token = running.token(fresh("alice"))
        for _ in range(3):
            sock = _connect(("127.0.0.1", running.port), source=("127.0.0.1", 0))
            sock.sendall(_request(token) + _request(token, "/healthz"))
            await asyncio.to_thread(_read_until, sock, b"event: connected")
            sock.close()

        async def let_go() -> bool:
            return await api.metric("notify_sse_streams") == 0

        await eventually(let_go, what="the streams to be let go", within_s=30)


@pytest.mark.parametrize("path", ["/notifications/history", "/healthz"])
async def test_an_offer_of_http_2_is_ignored_and_prior_knowledge_refused(plain: Service, curl: str, path: str) -> None:
    """Its flow control would not hold us back, and its errors carry their input into the log: HTTP/1.1 only."""
    header = bearer(plain.token("alice"))["Authorization"]
    command = [curl, "--silent", "--max-time", "10", "-w", "%{http_code} %{http_version}", "-o", "/dev/null"]

    async def asked(option: str) -> str:
        whole = [*command, option, "-H", f"Authorization: {header}", plain.url + path]
        return (await asyncio.to_thread(subprocess.run, whole, capture_output=True, text=True)).stdout

    assert await asked("--http2") == "200 1.1"
    assert not (await asked("--http2-prior-knowledge")).startswith("200")


@pytest.mark.parametrize("path", [STREAM, "/notifications/history"])
async def test_what_offers_http_2_gets_its_answer_over_http_1(plain: Service, path: str) -> None:
    """The JDK's client offers it with each first request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    offer = (
        b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    )
    writer.write(_request(plain.token(fresh("alice")), path).replace(b"\r\n\r\n", offer))
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_the_preface_of_http_2_is_answered_in_http_1(plain: Service) -> None:
    """505 and the end of the connection, whatever frames come behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 505 ")
    assert b"version_not_supported" in answer


@pytest.mark.parametrize("good", [True, False])
async def test_a_stream_and_its_refusal_end_their_connection(plain: Service, good: bool) -> None:
    """No request comes after it; the socket would be kept until it has been idle for over a minute."""
    token = plain.token(fresh("alice"), ttl_s=1.5) if good else "x.y.z"
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    writer.write(_request(token))
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200" if good else b"HTTP/1.1 401")
    assert answer.lower().count(b"connection: close") == 1
    assert b"keep-alive" not in answer


async def test_what_a_client_says_on_its_open_stream_changes_nothing(plain: Service) -> None:
    """It gets no answer, neither now nor behind the stream, and what is the stream's goes on."""
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice)
        with _connect(("127.0.0.1", plain.port), source=("127.0.0.1", 0)) as sock:
            sock.sendall(_request(token))
            await asyncio.to_thread(_read_until, sock, b"event: connected")
            sock.sendall(b"\r\n" + _request(token, "/healthz"))
            published = await api.publish(alice)
            said = await asyncio.to_thread(_read_until, sock, published.encode())
            ended = await api.http.delete("/notifications/session", headers=bearer(token))
            assert ended.status_code == 204
            said += await asyncio.to_thread(_read_until, sock, b"\r\n0\r\n\r\n")
            assert await asyncio.to_thread(sock.recv, 1) == b""
        assert b"HTTP/1.1" not in said


async def test_a_head_that_does_not_come_in_time_ends_its_connection(service: ServiceFactory) -> None:
    """REQUEST_TIMEOUT_S: 408 for a part of a head; one who has not begun, and an open stream, have no such time."""
    running = await asyncio.to_thread(service, env={"REQUEST_TIMEOUT_S": "0.5", "HEARTBEAT_S": "0.3"})
    place = ("127.0.0.1", running.port)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        with _connect(place, source=("127.0.0.1", 0)) as silent, _connect(place, source=("127.0.0.1", 0)) as slow:
            slow.sendall(_request(running.token("alice"))[:-2])
            assert (await asyncio.to_thread(_read_until, slow, b"\r\n\r\n")).startswith(b"HTTP/1.1 408 ")
            assert await asyncio.to_thread(slow.recv, 1) == b""
            silent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.to_thread(_read_until, silent, b"ok")
        for _ in range(3):
            await stream.event("heartbeat")


async def test_nobody_at_the_door_holds_up_the_end_of_the_process(service: ServiceFactory) -> None:
    """Neither who has said nothing, nor who has not said all, nor who reads nothing; Hypercorn knows none of them."""
    running = await asyncio.to_thread(service, env={"DRAIN_S": "1"})
    place = ("127.0.0.1", running.port)
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        stream.stream.pause()
        with _connect(place, source=("127.0.0.1", 0)) as silent, _connect(place, source=("127.0.0.1", 0)) as slow:
            slow.sendall(_request(running.token("alice"))[:-2])
            await api.publish_many([notification("alice", payload={"text": "x" * 15_000})] * 100)
            await asyncio.to_thread(running.terminate, within_s=30)
            assert await asyncio.to_thread(silent.recv, 1) == b""
            stream.stream.go_on()
    assert "stopped action=stop exit_code=0" in running.logged()
