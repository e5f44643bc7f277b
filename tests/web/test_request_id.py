"""The id of a request comes back with its answer, whoever answers: so that a client's record and ours can be joined."""

import asyncio
import re
from typing import Final

import msgspec
import pytest

from tests.support.api import STREAM, bearer, fresh, notification
from tests.support.service import Service

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"
UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
HYPERCORN: Final = {"Content-Length": "0"}
"""An empty body is Hypercorn's to read (tests/web/test_both_ways.py)."""
ASKED: Final[dict[str, tuple[str, str, dict[str, str], str, int]]] = {
    "a page": ("GET", "/notifications/history", {}, "notifications:read", 200),
    "a page that is refused": ("GET", "/notifications/history", {}, "", 401),
    "a path that is none": ("GET", "/nowhere", {}, "", 404),
    "a stream": ("GET", STREAM, {}, "notifications:read", 200),
    "a stream that Hypercorn carries": ("GET", STREAM, HYPERCORN, "notifications:read", 200),
    "a stream that is refused": ("GET", STREAM, {}, "", 401),
    "a stream that is refused behind the door": ("GET", STREAM, HYPERCORN, "", 401),
    "a publish": ("POST", "/notifications", {}, "notifications:publish", 201),
    "a publish that is refused": ("POST", "/notifications", {}, "", 401),
    "a publish behind the door": (
        "POST",
        "/notifications",
        {"Origin": "https://app.example.org"},
        "notifications:publish",
        201,
    ),
    "a WebSocket": ("GET", "/notifications/ws", UPGRADE, "notifications:read", 101),
    "a WebSocket that is refused": ("GET", "/notifications/ws", UPGRADE, "notifications:publish", 403),
    "a WebSocket that is closed at once, for its page to read why": (
        "GET",
        "/notifications/ws",
        UPGRADE | {"Origin": "https://evil.example"},
        "notifications:read",
        101,
    ),
    "a WebSocket without a key": ("GET", "/notifications/ws", UPGRADE | {"Sec-WebSocket-Key": "x"}, "", 400),
    "an administrator's question": ("GET", "/admin/audit", {}, "notifications:admin", 200),
}
"""Whatever can be asked: method, path, headers, scope of the token ("" for none), status of the answer."""


async def _ids(service: Service, what: str, *lines: bytes) -> list[str]:
    """Ask for it with these lines of headers besides; every id that comes back."""
    method, path, headers, scope, expected = ASKED[what]
    body = msgspec.json.encode(notification(fresh("alice"))) if method == "POST" else b""
    sent = {"Host": "x", **headers, **({"Content-Length": str(len(body))} if body else {})}
    sent |= bearer(service.token(fresh("alice"), scope=scope)) if scope else {}
    head = [
        f"{method} {path} HTTP/1.1".encode(),
        *(f"{name}: {value}".encode() for name, value in sent.items()),
        *lines,
    ]
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
    async with asyncio.timeout(30):
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    writer.close()
    assert answer.startswith(f"HTTP/1.1 {expected} "), answer
    return re.findall(r"(?im)^x-request-id: ([^\r]*)\r$", answer)


@pytest.mark.parametrize("what", ASKED)
async def test_the_id_of_a_request_comes_back(plain: Service, what: str) -> None:
    """That of `X-Request-ID`; else the trace's; else one that is made, and another one each time."""
    own = b"X-Request-ID: order/4711:a+b=c@d_e-f.g"
    assert await _ids(plain, what, own) == ["order/4711:a+b=c@d_e-f.g"]
    assert await _ids(plain, what, PARENT.encode(), own) == ["order/4711:a+b=c@d_e-f.g"]
    assert await _ids(plain, what, PARENT.encode()) == [TRACE]
    made = [*await _ids(plain, what), *await _ids(plain, what)]
    assert len(set(made)) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


ODD: Final = {
    "too long": b"x" * 129,
    "empty": b"",
    "a space": b"a b",
    "a tab": b"a\tb",
    "markup": b"<script>",
    "a quote": b'a"b',
    "another alphabet": "é".encode(),
    "bytes that are no text": b"a\xffb",
    "a line of a log": b"a%0d%0aERROR",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("what", ["a page", "a stream", "a stream that is refused", "a publish", "a WebSocket"])
async def test_what_is_no_id_is_replaced_and_never_given_back(plain: Service, what: str, odd: str) -> None:
    """It would be written to the log, and sent to whoever reads the answer. A trace's id takes its place, if any."""
    [made] = await _ids(plain, what, b"X-Request-ID: " + ODD[odd])
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert await _ids(plain, what, b"X-Request-ID: " + ODD[odd], PARENT.encode()) == [TRACE]


@pytest.mark.parametrize(
    "traceparent",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE[:-1]}-00f067aa0ba902b7-01",
        f"{TRACE}",
        f"00-{TRACE}-00f067aa0ba902b7",
        "00-" + "a" * 5000,
    ],
)
async def test_a_trace_that_is_none_gives_no_id(plain: Service, traceparent: str) -> None:
    for what in ("a page", "a publish that is refused"):
        [made] = await _ids(plain, what, f"traceparent: {traceparent}".encode())
        assert re.fullmatch("[0-9a-f]{16}", made)


@pytest.mark.parametrize("control", [b"\x00", b"\x01", b"\x1b[31m", b"\x7f"])
@pytest.mark.parametrize("what", ["a page", "a stream", "a publish"])
async def test_control_characters_are_refused_or_replaced(plain: Service, what: str, control: bytes) -> None:
    """Whoever reads the head: nothing of them is in the answer, nor in the log."""
    method, path, *_ = ASKED[what]
    reader, writer = await asyncio.open_connection("127.0.0.1", plain.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-ID: odd-".encode() + control + b"-id\r\n\r\n")
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert answer.split(b" ", 2)[1] in (b"400", b"401")
    assert b"odd-" not in answer
    assert b"odd-" + control not in plain.log.read_bytes()
