"""Heads of requests, for every test of the door."""

from typing import Final

from notify_sse.web.door import Paths

PATH: Final = b"/notifications/stream"
PATHS: Final = Paths(stream=PATH, websocket=b"/notifications/ws", publish=b"/notifications")
HEAD: Final = (
    b"GET /notifications/stream?topics=a,b HTTP/1.1\r\nHost: x\r\nAccept:text/event-stream \r\n"
    b"Last-Event-ID:  k3f9a1.4711\r\nConnection: keep-alive\r\nX:\r\n\r\n"
)
"""A plain stream's."""


def head(*lines: bytes, start: bytes = b"GET /notifications/stream HTTP/1.1", host: bytes = b"Host: x") -> bytes:
    """A head with these further lines."""
    return b"".join(line + b"\r\n" for line in (start, host, *lines) if line) + b"\r\n"


UPGRADE: Final = (
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
)
"""What makes a request on the other path one for a WebSocket."""
WEBSOCKET: Final = b"GET /notifications/ws HTTP/1.1"


def upgrade(*lines: bytes, start: bytes = WEBSOCKET) -> bytes:
    """The head of a handshake, with these further lines."""
    return head(*UPGRADE, *lines, start=start)


PUBLISH: Final = b"POST /notifications HTTP/1.1"


def publish(body: bytes = b"{}", *lines: bytes, start: bytes = PUBLISH, length: bytes | None = None) -> bytes:
    """A publish of `body`, with these further lines; `length` in place of the right one."""
    size = b"%d" % len(body) if length is None else length
    return head(b"Content-Length: " + size, *lines, start=start) + body


OTHERS: Final[dict[str, bytes]] = {
    "another method": head(start=b"POST /notifications/stream HTTP/1.1"),
    "HEAD": head(start=b"HEAD /notifications/stream HTTP/1.1"),
    "a method in small letters": head(start=b"get /notifications/stream HTTP/1.1"),
    "another path": head(start=b"GET /notifications/history HTTP/1.1"),
    "a longer path": head(start=b"GET /notifications/streams HTTP/1.1"),
    "a path below": head(start=b"GET /notifications/stream/ HTTP/1.1"),
    "a fragment": head(start=b"GET /notifications/stream#x HTTP/1.1"),
    "a percent-encoded path": head(start=b"GET /notifications/%73tream HTTP/1.1"),
    "the absolute form": head(start=b"GET http://x/notifications/stream HTTP/1.1"),
    "HTTP/1.0": head(start=b"GET /notifications/stream HTTP/1.0"),
    "HTTP/1.2": head(start=b"GET /notifications/stream HTTP/1.2"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": head(start=b"GET /notifications/stream"),
    "two spaces before the target": head(start=b"GET  /notifications/stream HTTP/1.1"),
    "two spaces behind the target": head(start=b"GET /notifications/stream  HTTP/1.1"),
    "a space in the query": head(start=b"GET /notifications/stream?a b HTTP/1.1"),
    "a space behind the version": head(start=b"GET /notifications/stream HTTP/1.1 "),
    "a line end before the request": b"\r\n" + HEAD,
    "bare line feeds": HEAD.replace(b"\r\n", b"\n"),
    "one bare line feed": HEAD.replace(b"\r\nHost", b"\nHost"),
    "a bare carriage return": HEAD.replace(b"\r\nHost", b"\rHost"),
    "a folded line": head(b"X: a", b" b"),
    "a line folded with a tab": head(b"X: a", b"\tb"),
    "a fold before the first header": head(host=b" Host: x"),
    "no host": head(host=b""),
    "two hosts": head(b"Host: x"),
    "two hosts that differ": head(b"host: y"),
    "a space before the colon": head(b"X : a"),
    "no colon": head(b"X"),
    "an empty name": head(b": a"),
    "a name that is none": head(b"X(y): a"),
    "NUL in a value": head(b"X: a\0b"),
    "a tab in a value": head(b"X: a\tb"),
    "a control character in a value": head(b"X: a\x0bb"),
    "a value beyond ASCII": head(b"X: \xe4"),
    "a query beyond ASCII": head(start=b"GET /notifications/stream?\xe4 HTTP/1.1"),
    "an empty body": head(b"Content-Length: 0"),
    "a body": head(b"Content-Length: 3") + b"abc",
    "a chunked body": head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": head(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a WebSocket": head(b"Upgrade: websocket", b"Connection: Upgrade"),
    "a WebSocket's path": head(start=WEBSOCKET),
    "a WebSocket's path, another protocol": head(b"Upgrade: h2c", b"Connection: Upgrade", start=WEBSOCKET),
    "a WebSocket's path, no upgrade in Connection": head(*UPGRADE[:1], *UPGRADE[2:], start=WEBSOCKET),
    "a WebSocket over HTTP/1.0": upgrade(start=b"GET /notifications/ws HTTP/1.0"),
    "a WebSocket by POST": upgrade(start=b"POST /notifications/ws HTTP/1.1"),
    "a WebSocket with two hosts": upgrade(b"Host: y"),
    "a WebSocket with an empty body": upgrade(b"Content-Length: 0"),
    "a WebSocket with a body": upgrade(b"Content-Length: 3") + b"abc",
    "a WebSocket with a chunked body": upgrade(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "a WebSocket with a question": upgrade(b"Expect: 100-continue"),
    "a WebSocket with a tab": upgrade(b"X: a\tb"),
    "a WebSocket, encoded": upgrade(start=b"GET /notifications/%77s HTTP/1.1"),
    "a WebSocket on a longer path": upgrade(start=b"GET /notifications/wss HTTP/1.1"),
    "HTTP/2 in clear text": head(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AA"),
    "a question first": head(b"Expect: 100-continue"),
    "a request behind it": HEAD + head(start=b"GET /healthz HTTP/1.1"),
    "a line end behind it": HEAD + b"\r\n",
    "a byte behind it": HEAD + b"x",
    "a publish without a length": head(start=PUBLISH),
    "a publish with two lengths": publish(b"{}", b"Content-Length: 2"),
    "a publish with two lengths in one": publish(length=b"2, 2"),
    "a publish with a signed length": publish(length=b"+2"),
    "a publish with a length in hex": publish(length=b"0x2"),
    "a publish with zeros before its length": publish(length=b"02"),
    "a publish with a length that is none": publish(length=b"2a"),
    "a publish with an empty length": publish(length=b""),
    "a publish with a length of fifty digits": publish(length=b"0" * 49 + b"2"),
    "a publish in chunks": head(b"Transfer-Encoding: chunked", start=PUBLISH) + b"2\r\n{}\r\n0\r\n\r\n",
    "a publish with a length, in chunks": publish(b"2\r\n{}\r\n0\r\n\r\n", b"Transfer-Encoding: chunked"),
    "a publish with a length, in no known coding": publish(b"{}", b"Transfer-Encoding: x"),
    "a publish with a space before a colon": publish(b"{}", b"Transfer-Encoding : chunked"),
    "a publish with a folded line": publish(b"{}", b"X: a", b" Content-Length: 0"),
    "a publish with a question": publish(b"{}", b"Expect: 100-continue"),
    "a publish that upgrades": publish(b"{}", b"Upgrade: h2c", b"Connection: Upgrade"),
    "a publish with an unknown connection": publish(b"{}", b"Connection: keep-alive, x-request-id"),
    "a publish over HTTP/1.0": publish(start=b"POST /notifications HTTP/1.0"),
    "a publish to a longer path": publish(start=b"POST /notifications/read HTTP/1.1"),
    "a publish to an encoded path": publish(start=b"POST /%6eotifications HTTP/1.1"),
    "a publish by PUT": publish(start=b"PUT /notifications HTTP/1.1"),
    "a publish with two hosts": publish(b"{}", b"Host: y"),
    "a head over 16 KB": head(b"X: " + b"a" * 16_384),
}
"""What is Hypercorn's, though most begin like a plain stream."""
