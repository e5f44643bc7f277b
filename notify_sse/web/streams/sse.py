"""`GET /notifications/stream`: one connection as Server-Sent Events.

A lean subclass of sse-starlette's response: one for all streams, with no task, no lock and no iterator each. It sends
the start, hands the connection to the pump, and waits for the client to go (docs/adr/0006-lean-response.md).
"""

from collections.abc import Awaitable, Sequence
from typing import Final, Self
from uuid import uuid4

from sse_starlette import EventSourceResponse
from starlette.datastructures import Headers, QueryParams
from starlette.types import Message, Receive, Scope, Send

from notify_sse.auth import Grant
from notify_sse.core.frames import Control, Frame, Reset, encode_control, encode_frames
from notify_sse.errors import BadRequest, NotifyError, Overloaded, VersionNotSupported
from notify_sse.gateway import eager
from notify_sse.gateway.admission import Gateway, open_connection
from notify_sse.gateway.connection import Connection
from notify_sse.web.http.cors import allow_origin
from notify_sse.web.http.problems import refusal
from notify_sse.web.streams.direct import Accepted, accepted

EVENT_STREAM: Final = "text/event-stream"


class SseConnection(Connection):
    """A connection whose way out is an ASGI `send`, or, past it, the transport itself."""

    __slots__ = ("_event_names", "_peer", "_send")
    transport = "sse"

    def out(self, send: Send, *, peer: Accepted | None, event_names: bool) -> None:
        """Where to write. `peer`: its transport, when the response is chunked HTTP/1.1 without TLS."""
        self._send = send
        self._peer = peer
        self._event_names = event_names

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        data = encode_frames(frames, event_names=self._event_names)
        if self._peer is not None:
            return self._write_to(self._peer, data)
        return eager.start(self._body(data))

    async def control(self, control: Control) -> None:
        data = encode_control(control)
        if self._peer is None:
            await self._body(data)
        elif waiting := self._write_to(self._peer, data):
            await waiting

    def _write_to(self, peer: Accepted, data: bytes) -> Awaitable[None] | None:
        if peer.transport.is_closing():
            self.abandon()  # Hypercorn says nothing to the app while another request waits on the connection
            return None
        return peer.write_chunk(data)

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _body(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


class StreamResponse(EventSourceResponse):
    """The ASGI app of the stream route; a single one serves every stream."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(_NoContent(), headers={"Cache-Control": "no-store, no-transform"}, ping=0, sep="\n")
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until either side ends it."""
        query = QueryParams(scope["query_string"])
        cors = allow_origin(scope, self._gateway.settings.cors_origins)
        try:
            if scope["http_version"] == "2":
                raise VersionNotSupported("a stream takes HTTP/1.1: let the proxy in front speak HTTP/2")
            if query.get("event_names", "type") != "type":
                raise BadRequest("event_names", "must be `type`")
            grant = await self._gateway.verifier.authenticate(scope)
            if scope["method"] == "HEAD":
                await self._head(grant, query, _with_headers(send, cors))
                return
            connection, reset = await open_connection(
                self._gateway, SseConnection, grant, topics=named_topics(query), cursor=last_event_id(scope, query)
            )
        except Overloaded as exc:
            await self._refuse_for_load(exc, scope, receive, _with_headers(send, cors))
            return
        except NotifyError as exc:
            await refusal(exc)(scope, receive, _with_headers(send, cors))
            return
        connection.out(send, peer=accepted(scope), event_names=query.get("event_names") == "type")
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers, *cors]})
        scope.update(headers=[], query_string=b"", raw_path=b"")  # of no more use, and kept for as long as the stream
        await self._stream(connection, reset, receive)

    async def _head(self, grant: Grant, query: QueryParams, send: Send) -> None:
        """What a GET would answer with, without opening a stream."""
        self._gateway.channels(grant, named_topics(query))
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers]})
        await send({"type": "http.response.body", "body": b""})

    async def _stream(self, connection: SseConnection, reset: Reset | None, receive: Receive) -> None:
        pump = self._gateway.pump
        try:
            await pump.open(connection, connection_id=uuid4().hex, reset=reset)
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            pump.leave(connection)

    async def _refuse_for_load(self, exc: Overloaded, scope: Scope, receive: Receive, send: Send) -> None:
        """EventSource gives up for ever on any status but 200: it gets a delay and the end of the stream."""
        if EVENT_STREAM not in Headers(scope=scope).get("accept", ""):
            await refusal(exc)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [*self.raw_headers]})
        body = b"retry: %d\n\n" % (exc.retry_after_s * 1000)
        await send({"type": "http.response.body", "body": body})


def named_topics(query: QueryParams) -> list[str]:
    """The topics that a request names."""
    return [topic for given in query.getlist("topics") for topic in given.split(",") if topic]


def last_event_id(scope: Scope, query: QueryParams) -> str | None:
    """The client's cursor: the header wins, since a native reconnect keeps the old query and sends the newer header."""
    header = Headers(scope=scope).get("last-event-id")
    return header or query.get("last_event_id") or query.get("lastEventId") or None


def _with_headers(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return sending


class _NoContent:
    """The content of a response whose bytes come from the pump: none."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
