"""One request as ASGI, for the app behind the door: the scope that Hypercorn would make, and what the app answers as
bytes. A stream's part of the app ends once the transport carries it (docs/adr/0014-door.md).

A WebSocket is the same, with ASGI's messages for those: the app answers with a response, or it accepts.
"""

import logging
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

from starlette.types import ASGIApp, Message, Scope

from notify_sse.web.door.answering import AnswerTransport
from notify_sse.web.door.handshake import accepted
from notify_sse.web.door.head import PublishRequest, Request, UpgradeRequest
from notify_sse.web.door.publish import PublishTransport
from notify_sse.web.door.transport import DoorTransport
from notify_sse.web.door.websocket import WebSocketTransport

logger = logging.getLogger(__name__)

EXTENSION: Final = "notify_sse.door"
"""In `scope["extensions"]`: the `DoorTransport` that carries the stream of this request."""
HTTP_RESPONSE: Final = "websocket.http."
"""How ASGI's messages begin that answer a handshake with a response."""


class Exchange:
    """One request and its answer. Nothing follows on its socket: the answer says so."""

    def __init__(self, transport: AnswerTransport) -> None:
        self._transport = transport
        self._started = self._chunked = self._ended = False

    async def serve(self, app: ASGIApp, scope: Scope) -> None:
        """Let `app` answer. A socket with neither a whole answer nor a stream is cut."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            logger.exception("a request failed", extra={"action": "request"})
            if not self._started:
                self._transport.put(refusal(500))
                self._transport.end()
                return
            if not self._ended:
                self._transport.abort()
        if not self._ended and not self._transport.carries:
            self._transport.abort()

    async def receive(self) -> Message:
        """There is no body. The client's end is the transport's matter, and not told here."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """What the app says."""
        if message["type"] == "http.response.start":
            self._started = True
            self._transport.begin(self._head(message))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if waiting := self._transport.put(body):
            await waiting
        if not more:
            self._ended = True
            self._finish()

    def _finish(self) -> None:
        self._transport.end()

    def _closes(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the connection ends with an answer of these headers."""
        del headers
        return True

    def _head(self, message: Message) -> bytes:
        headers = [header for header in message["headers"] if header[0] != b"connection"]
        has_body = message["status"] not in (204, 304)
        self._chunked = has_body and all(name != b"content-length" for name, _ in headers)
        if self._chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        return _encode(message["status"], headers, closes=self._closes(message["headers"]))


class PublishExchange(Exchange):
    """A publish and its answer, after which the socket goes on to the next request, unless `is_ending` by then."""

    def __init__(self, transport: PublishTransport, *, is_ending: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._publish = transport
        self._is_ending = is_ending

    async def receive(self) -> Message:
        """The body, as it comes in; then the client's end."""
        part = await self._publish.next_part()
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": self._publish.has_more}

    def _closes(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        if self._is_ending() or (b"connection", b"close") in headers:
            self._publish.closes = True
        return self._publish.closes

    def _finish(self) -> None:
        """What follows is decided when the app has returned."""


class UpgradeExchange(Exchange):
    """The handshake of a WebSocket, and what comes before its stream."""

    def __init__(self, transport: WebSocketTransport, headers: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__(transport)
        self._websocket = transport
        self._headers = headers
        self._connected = False

    async def receive(self) -> Message:
        """That it is there; then its messages, as long as its stream is not open."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        data = await self._websocket.next_message()
        if data is None:
            self._ended = True  # it has gone, or was told to go, and why
            return {"type": "websocket.disconnect", "code": 1006}
        return {"type": "websocket.receive", "bytes": data}

    async def send(self, message: Message) -> None:
        """What the app says. An exception of its behind `accept` cuts the socket."""
        kind = message["type"]
        if kind.startswith(HTTP_RESPONSE):
            await super().send({**message, "type": kind.removeprefix("websocket.")})
        elif kind == "websocket.accept":
            self._started = True
            self._websocket.accept(
                _lines("101 Switching Protocols", [*accepted(self._headers), *message.get("headers", [])])
            )
        elif not self._started:  # ASGI: a refusal without an answer of its own
            self._ended = True
            self._websocket.put(refusal(403))
            self._websocket.end()
        else:
            self._ended = True
            self._websocket.close(message["code"], message.get("reason", ""))


def refusal(status: int) -> bytes:
    """A whole answer without a body, as Hypercorn's."""
    return _encode(status, [(b"content-length", b"0")])


def _encode(status: int, headers: Iterable[tuple[bytes, bytes]], *, closes: bool = True) -> bytes:
    return _lines(f"{status} ", [*headers, (b"connection", b"close")] if closes else headers)


def _lines(status: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %b\r\n%bdate: %b\r\n\r\n" % (status.encode(), lines, _date(int(time.time())))


@lru_cache(maxsize=1)
def _date(now_s: int) -> bytes:
    return formatdate(now_s, usegmt=True).encode()


def scope_of(
    head: Request, *, path: bytes, info: Callable[[str], Any], transport: DoorTransport | PublishTransport
) -> Scope:
    """The scope of a request, as Hypercorn makes it. `info` is `get_extra_info` of its socket."""
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": "GET",
        "scheme": "http",
        "path": path.decode("ascii"),
        "raw_path": path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers,
        "client": _address(info("peername")),
        "server": _address(info("sockname")),
        "state": {},
        "extensions": {EXTENSION: transport},
    }
    if isinstance(head, PublishRequest):
        scope.update(method="POST", extensions={})  # its socket is not over with its answer
    if isinstance(head, UpgradeRequest):
        del scope["method"]
        scope.update(type="websocket", scheme="ws", subprotocols=[])
        scope["extensions"]["websocket.http.response"] = {}
    return scope


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port; a socket of another family has none (and IPv6 has more)."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
