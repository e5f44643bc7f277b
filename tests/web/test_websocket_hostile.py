"""WebSockets as no client of ours would speak them, over a socket, in both ways: each is bounded, and none outlives its
socket.
"""

import asyncio
import struct
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Final, cast

import pytest
from websockets.frames import Opcode

from tests.support.api import Api, bearer, fresh
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.support.timing import quickest
from tests.web.door.echo import Said, closing, frame, frames

PATH: Final = "/notifications/ws"
KEPT: Final = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
"""A request before the handshake, as behind a proxy that keeps its connections: Hypercorn has them then."""
GOOD: Final = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
WAIT_S: Final = 10.0


class Raw:
    """One connection, spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answer = b""

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        """The head of the answer."""
        async with asyncio.timeout(WAIT_S):
            self.answer = await self.reader.readuntil(b"\r\n\r\n")
        return self.answer

    async def frame(self) -> Said:
        """The next frame."""
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readexactly(2)
            if head[1] == 126:
                head += await self.reader.readexactly(2)
            size = head[1] if len(head) == 2 else int.from_bytes(head[2:], "big")
            (said,) = frames(head + await self.reader.readexactly(size))
            return said

    async def close_code(self) -> int:
        """The code of its close frame; what comes before it is passed over."""
        while (said := await self.frame()).opcode != Opcode.CLOSE:
            pass
        code: int = struct.unpack("!H", said.data[:2])[0]
        return code

    async def ended(self) -> None:
        """Wait until the service has closed it."""
        async with asyncio.timeout(WAIT_S):
            while await self.reader.read(65_536):
                pass
        self.cut()

    def cut(self) -> None:
        self.writer.transport.abort()


Connecting = Callable[..., Awaitable[Raw]]


WAYS: Final = ("door", "kept connection")


@pytest.fixture(params=WAYS)
def connecting(request: pytest.FixtureRequest) -> Connecting:
    """Connects in each way, and sends a handshake with `behind` in the same segment."""
    return _connecting(request.param)


def _connecting(way: str) -> Connecting:
    async def connect(
        service: Service, *, path: str = PATH, behind: bytes = b"", token: str = "", **headers: str
    ) -> Raw:
        raw = Raw(*await asyncio.open_connection("127.0.0.1", service.port))
        if way == "kept connection":
            raw.send(KEPT)
            head = await raw.head()
            await raw.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
        lines = {**GOOD, **(bearer(token) if token else {}), **{k.replace("_", "-"): v for k, v in headers.items()}}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        raw.send(f"GET {path} HTTP/1.1\r\n{text}\r\n".encode() + behind)
        return raw

    return connect


async def _streams(api: Api, count: float) -> None:
    async def there() -> bool:
        return await api.metric("notify_sse_streams") == count

    await eventually(there, what=f"{count} streams")


async def test_frames_behind_the_handshake_are_just_the_first_frames(plain: Service, connecting: Connecting) -> None:
    """Not a second request, and no reason to hang: a ping, a message, and half of another."""
    ping = frame(Opcode.TEXT, b'{"type":"ping"}')
    raw = await connecting(plain, token=plain.token("alice"), behind=frame(Opcode.PING, b"1") + ping + ping[:7])
    assert (await raw.head()).startswith(b"HTTP/1.1 101 ")
    said = [await raw.frame() for _ in range(3)]
    assert Said(Opcode.PONG, b"1") in said
    assert Said(Opcode.TEXT, b'{"event":"pong"}') in said
    assert any(b'"event":"connected"' in one.data for one in said)
    raw.send(ping[7:])
    while await raw.frame() != Said(Opcode.TEXT, b'{"event":"pong"}'):
        pass
    raw.cut()


async def test_a_first_message_may_come_in_the_segment_of_the_head(plain: Service, connecting: Connecting) -> None:
    token = plain.token("alice")
    auth = frame(Opcode.TEXT, b'{"type":"auth","token":"%b"}' % token.encode())
    raw = await connecting(plain, behind=auth + frame(Opcode.PING, b"x"))
    await raw.head()
    said = [await raw.frame() for _ in range(2)]
    assert Said(Opcode.PONG, b"x") in said
    assert any(b'"event":"connected"' in one.data for one in said)
    raw.cut()


async def test_streams_are_never_more_than_sockets(service: ServiceFactory) -> None:
    """Handshakes with a byte behind them, clients that ping and do not read, and half-closed ones: all cut. None stays,
    although all were one recipient's, and none ended in order.
    """
    running = await asyncio.to_thread(service, env={"MAX_STREAMS_PER_RECIPIENT": "10", "STALL_S": "1"})
    token = running.token("alice")
    async with Api(running) as api:
        for behind in (b"x", b"\x81", frame(Opcode.PING) * 40, frame(Opcode.CLOSE)[:3]):
            ways = [_connecting(way) for way in WAYS] * 15
            raws = await asyncio.gather(*(connecting(running, token=token, behind=behind) for connecting in ways))
            await asyncio.gather(*(raw.head() for raw in raws))
            assert await api.metric("notify_sse_streams") <= await api.metric("notify_sse_connections")
            for number, raw in enumerate(raws):
                raw.writer.write_eof() if number % 3 == 0 else raw.cut()
            await _streams(api, 0)
            for raw in raws:
                raw.cut()


async def test_a_client_that_does_not_read_holds_nothing_and_is_cut(service: ServiceFactory) -> None:
    """It pings, and gets notifications that it does not take: STALL_S."""
    running = await asyncio.to_thread(service, env={"STALL_S": "1", "HEARTBEAT_S": "0.2"})
    async with Api(running) as api:
        raws = [await _connecting(way)(running, token=running.token("alice")) for way in WAYS]
        for raw in raws:
            await raw.head()
            cast(asyncio.Transport, raw.writer.transport).pause_reading()
        await _streams(api, 2)
        documents = [{"notification_type": "x", "recipient_id": "alice", "payload": {"t": "x" * 15_000}}] * 100
        for _ in range(4):
            await api.publish_many(documents)
            for raw in raws:
                raw.send(frame(Opcode.PING, b"x" * 100) * 5)
        await _streams(api, 0)
        for raw in raws:
            raw.cut()


@pytest.mark.parametrize("kind", ["announced", "fragments", "deflate"])
async def test_what_is_too_large_ends_at_its_first_byte(plain: Service, connecting: Connecting, kind: str) -> None:
    """Also by a client that goes on sending: it is told 1009, and the rest is thrown away. Nothing is inflated: no
    extension is agreed on, and a frame with its bit is against the protocol.
    """
    offer = "permessage-deflate; client_max_window_bits"
    raw = await connecting(plain, token=plain.token(fresh("alice")), sec_websocket_extensions=offer)
    assert b"extensions" not in (await raw.head()).lower()
    if kind == "announced":
        raw.send(frame(Opcode.TEXT, b"x" * 200_000))
    elif kind == "fragments":
        raw.send(frame(Opcode.TEXT, b"x" * 16_384, fin=False) + frame(Opcode.CONT, b"x", fin=False) * 2)
    else:
        raw.send(frame(Opcode.TEXT, zlib.compress(b"\0" * 10_000_000, wbits=-15), rsv=4))
    assert await raw.close_code() == (1002 if kind == "deflate" else 1009)
    await raw.ended()
    raw.cut()


async def test_many_frames_in_a_second_are_1008(plain: Service, connecting: Connecting) -> None:
    """Before a token is known, too."""
    for token in (plain.token(fresh("alice")), ""):
        raw = await connecting(plain, token=token)
        await raw.head()
        raw.send(frame(Opcode.PONG) * 1000)
        assert await raw.close_code() == 1008
        await raw.ended()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Content_Length": "5"}, 400),
        ({"Transfer_Encoding": "chunked"}, 400),
        ({"Connection": "close"}, 426),
        ({"Upgrade": "h2c"}, 426),
    ],
    ids=str,
)
async def test_a_wrong_handshake_is_refused_and_closed(
    plain: Service, connecting: Connecting, headers: dict[str, str], status: int
) -> None:
    """Nobody waits on it for what will not come."""
    names = {name.replace("_", "-"): name for name in headers}
    wanted = {
        names.get(name, name): headers.get(names.get(name, name), value) for name, value in GOOD.items()
    } | headers
    raw = await connecting(plain, token=plain.token("alice"), **{k.replace("-", "_"): v for k, v in wanted.items()})
    head = await raw.head()
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    if headers.keys() & {"Sec_WebSocket_Version"}:
        assert b"\r\nsec-websocket-version: 13\r\n" in head.lower()
    if not headers.keys() & {"Connection", "Upgrade"}:  # those are no handshakes, but requests like any other
        await raw.ended()
    raw.cut()


@pytest.mark.parametrize("path", ["/healthz", "/notifications/history", "/nowhere", "/notifications/stream"])
async def test_a_wish_for_a_websocket_elsewhere_is_ignored(plain: Service, connecting: Connecting, path: str) -> None:
    """RFC 9110, 7.8: it is answered as if it had not been there."""
    raw = await connecting(plain, path=path, token=plain.token("alice"))
    assert (await raw.head()).startswith(b"HTTP/1.1 404 " if path == "/nowhere" else b"HTTP/1.1 200 ")
    raw.cut()


async def test_an_encoded_path_is_the_same_path(plain: Service, connecting: Connecting) -> None:
    raw = await connecting(plain, path="/notifications/%77s", token=plain.token("alice"))
    assert (await raw.head()).startswith(b"HTTP/1.1 101 ")
    raw.send(closing(1000))
    assert await raw.close_code() == 1000
    await raw.ended()


async def test_it_takes_no_time_to_let_a_socket_go_after_the_last_words(plain: Service, connecting: Connecting) -> None:
    """Who answers the close of a stream does not wait for a timer."""

    async def ended_s() -> float:
        raw = await connecting(plain, token=plain.token(fresh("alice"), ttl_s=1))
        await raw.head()
        assert await raw.close_code() == 4001
        began = time.monotonic()
        raw.send(closing(4001))
        await raw.ended()
        return time.monotonic() - began

    assert await quickest(ended_s, enough_s=1.5) < 1.5
