"""One request as ASGI, for the app behind the door: the scope that Hypercorn would make, and what the app answers as
bytes. A stream's part of the app ends once the transport carries it (docs/adr/0014-door.md).
"""

import logging
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any, Final

from starlette.types import ASGIApp, Message, Scope

from notify_sse.web.door.head import PlainRequest
from notify_sse.web.door.transport import DoorTransport

logger = logging.getLogger(__name__)

EXTENSION: Final = "notify_sse.door"
"""In `scope["extensions"]`: the `DoorTransport` that carries the stream of this request."""


class Exchange:
    """One request and its answer. Nothing follows on its socket: the answer says so."""

    def __init__(self, transport: DoorTransport) -> None:
        self._transport = transport
        self._started = self._chunked = self._ended = False

    async def serve(self, app: ASGIApp, scope: Scope) -> None:
        """Let `app` answer. A socket with neither a whole answer nor a stream is cut."""
        try:
            await app(scope, self._receive, self._send)
        except Exception:
            logger.exception("a request failed", extra={"action": "request"})
            if not self._started:
                self._transport.put(refusal(500))
                self._transport.end()
                return
            self._transport.abort()
        if not self._ended and not self._transport.carries:
            self._transport.abort()

    async def _receive(self) -> Message:
        """There is no body. The client's end is the transport's matter, and not told here."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
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
            self._transport.end()

    def _head(self, message: Message) -> bytes:
        headers = [header for header in message["headers"] if header[0] != b"connection"]
        has_body = message["status"] not in (204, 304)
        self._chunked = has_body and all(name != b"content-length" for name, _ in headers)
        if self._chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        return _encode(message["status"], headers)


def refusal(status: int) -> bytes:
    """A whole answer without a body, as Hypercorn's."""
    return _encode(status, [(b"content-length", b"0")])


def _encode(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    date = formatdate(usegmt=True).encode()
    return b"HTTP/1.1 %d \r\n%bconnection: close\r\ndate: %b\r\n\r\n" % (status, lines, date)


def scope_of(head: PlainRequest, *, path: bytes, info: Callable[[str], Any], transport: DoorTransport) -> Scope:
    """The scope of a request, as Hypercorn makes it. `info` is `get_extra_info` of its socket."""
    return {
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


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port; a socket of another family has none (and IPv6 has more)."""
    return (name[0], name[1]) if isinstance(name, tuple) else None
