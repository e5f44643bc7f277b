"""A client of the door on one socket, and an app that answers it."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.web.door import Door, Doors
from tests.support.polling import until
from tests.web.door.doubles import HandTransport, Hypercorns
from tests.web.door.heads import PATHS


class Echo:
    """Answers with the body of the request, and keeps the scopes that it was given."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.scopes: list[Scope] = []
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body = await body_of(receive)
        headers = [(b"content-length", b"%d" % len(body)), *self._headers]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body, more = body + message["body"], message["more_body"]
    return body


class Client:
    """One socket, and what was answered on it."""

    def __init__(self, app: ASGIApp, *, doors: Doors | None = None) -> None:
        self.doors = doors or Doors(app, paths=PATHS, request_timeout_s=0, keep_alive_s=0)
        self.others = Hypercorns()
        self.transport = HandTransport()
        door = Door(self.doors, lambda: self.others)
        self.transport.set_protocol(door)
        door.connection_made(self.transport)

    @property
    def protocol(self) -> Any:
        return self.transport.protocol

    def send(self, *parts: bytes) -> None:
        for part in filter(None, parts):
            self.protocol.data_received(part)

    async def answers(self, count: int) -> list[bytes]:
        """The bodies of the first `count` answers, once they are there. Their bodies are in braces."""
        await until(lambda: self.transport.written.count(b"}") >= count)
        await asyncio.sleep(0)
        return [part.partition(b"\r\n\r\n")[2] for part in self.transport.written.split(b"HTTP/1.1 201 \r\n")[1:]]
