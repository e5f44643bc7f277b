"""`GET /notifications/stream`: one connection as Server-Sent Events.

A lean subclass of sse-starlette's response: one for all streams, with no task, no lock and no iterator each. It sends
the start and opens the connection. Then the door carries the stream; from any other server, such as Hypercorn, it waits
for the client to go (docs/adr/0006-lean-response.md, docs/adr/0014-door.md).
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final, Self

from sse_starlette import EventSourceResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from notify_sse import eager
from notify_sse.auth import READING, Grant
from notify_sse.core.control import Busy, CloseReason, ControlEvent, under
from notify_sse.core.frames import Frame, encode_control, encode_frames
from notify_sse.errors import BadRequest, NotEnabled, NotifyError, Overloaded, VersionNotSupported
from notify_sse.gateway.connection import Connection
from notify_sse.web.door.exchange import EXTENSION
from notify_sse.web.door.transport import EventStreamTransport
from notify_sse.web.http.access_log import STREAM_PATH, Requests, note_error
from notify_sse.web.http.cors import allow_origin
from notify_sse.web.http.problems import refusal
from notify_sse.web.http.request_origin import REQUEST_ID_HEADER, origin, request_id
from notify_sse.web.http.root import root_of
from notify_sse.web.service import Service
from notify_sse.web.streams.request import Asked, asked

EVENT_STREAM: Final = "text/event-stream"
CLOSE: Final = [(b"connection", b"close")]
"""With every answer here: no request comes after a stream or its refusal, and its socket would be kept for over a
minute.
"""


class SseTransport:
    """Writes to an ASGI `send`."""

    __slots__ = ("_event_names", "_root", "_send", "_task")
    buffered_bytes = 0
    """The server behind ASGI has them, and does not say how many."""
    name = "sse"
    greets = True
    takes_all = True

    def __init__(self, send: Send, *, event_names: bool, root: str) -> None:
        self._root = root
        self._send = send
        self._event_names = event_names
        self._task: asyncio.Task[Any] | None = asyncio.current_task()

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return eager.start(self._body(encode_frames(frames, event_names=self._event_names), more=True))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        return eager.start(self._body(encode_control(under(event, self._root)), more=True))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        del reason
        return eager.start(self._body(b"", more=False))

    def abort(self) -> None:
        if self._task:
            self._task.cancel()

    async def _body(self, data: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


class StreamResponse(EventSourceResponse):
    """The ASGI app of the stream route; a single one serves every stream."""

    def __init__(self, service: Service, *, requests: Requests) -> None:
        super().__init__(_NoContent(), headers={"Cache-Control": "no-store, no-transform"}, ping=0, sep="\n")
        self.raw_headers = [header for header in self.raw_headers if header[0] != b"connection"]  # it says keep-alive
        self._service = service
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until either side ends it."""
        began, wanted = time.monotonic(), asked(scope)
        try:
            grant = await self._granted(scope, wanted)
            if scope["method"] == "HEAD":
                self._service.admission.channels(grant, wanted.topics)  # what a GET would answer with
                await send(self._start(scope))
                await send({"type": "http.response.body", "body": b""})
                self._note(scope, 200, began)
                return
            self._service.limits.rates.connect(grant.subject)
            transport = _transport(scope, send, event_names=wanted.event_names is not None)
            connection = await self._service.admission.admit(
                grant,
                transport,
                topics=wanted.topics,
                last_event_id=wanted.last_event_id,
                origin=origin(scope),
            )
        except NotifyError as exc:
            note_error(scope, exc)
            response = self._refusal(exc, scope)
            self._note(scope, response.status_code, began)
            await response(scope, receive, send)
            return
        self._service.recipients_seen.note("stream", grant.subject)
        await send(self._start(scope))
        if isinstance(transport, EventStreamTransport):
            transport.carry(connection, self._service.registry)
            self._opened(scope, began)
            return
        scope.update(headers=[], query_string=b"", raw_path=b"")  # of no more use, and kept for as long as the stream
        await self._stream(connection, receive, scope, began)

    async def _granted(self, scope: Scope, wanted: Asked) -> Grant:
        """Who may stream. Raises `NotifyError`."""
        if scope["http_version"] == "2":
            raise VersionNotSupported("a stream takes HTTP/1.1: let the proxy in front speak HTTP/2")
        if wanted.event_names not in (None, "type"):
            raise BadRequest("event_names", "must be `type`")
        self._service.limits.rates.arrive(scope)
        grant = await self._service.verifier.authenticate(scope, ways=READING)
        self._service.rollout.check(grant.subject)
        return grant

    def _opened(self, scope: Scope, began: float) -> None:
        self._service.metrics.connect_seconds.note(time.monotonic() - began)
        self._note(scope, 200, began)

    def _note(self, scope: Scope, status: int, began: float) -> None:
        self._requests.note(scope, route=STREAM_PATH, status=status, duration_s=time.monotonic() - began)

    async def _stream(self, connection: Connection, receive: Receive, scope: Scope, began: float) -> None:
        registry = self._service.registry
        try:
            registry.open(connection)
            self._opened(scope, began)
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            registry.leave(connection)

    def _start(self, scope: Scope) -> Message:
        return {
            "type": "http.response.start",
            "status": 200,
            "headers": [*self.raw_headers, *self._in_every_answer(scope)],
        }

    def _in_every_answer(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        own = [*CLOSE, (REQUEST_ID_HEADER, request_id(scope).encode())]
        return own + allow_origin(scope, self._service.settings.cors_origins)

    def _refusal(self, exc: NotifyError, scope: Scope) -> Response:
        """EventSource gives up for ever on any status but 200. That is meant for whoever may not stream yet, who gets
        204: he must not ask again and again. For load it gets a delay and the end of the stream.
        """
        if isinstance(exc, Overloaded) and _wants_events(scope):
            response = Response(encode_control(Busy(int(exc.retry_after_s * 1000))))
            response.raw_headers = [*self.raw_headers]
        elif isinstance(exc, NotEnabled) and _wants_events(scope):
            response = Response(status_code=204, headers={"Cache-Control": "no-store"})
        else:
            response = refusal(exc)
        response.raw_headers += self._in_every_answer(scope)
        return response


def _wants_events(scope: Scope) -> bool:
    """Whether the client says that it takes an event stream, as an EventSource does."""
    return EVENT_STREAM in Headers(scope=scope).get("accept", "")


def _transport(scope: Scope, send: Send, *, event_names: bool) -> SseTransport | EventStreamTransport:
    """The door's, when the request came through it; else through ASGI."""
    door: EventStreamTransport | None = scope.get("extensions", {}).get(EXTENSION)
    if door is None:
        return SseTransport(send, event_names=event_names, root=root_of(scope))
    door.event_names, door.root = event_names, root_of(scope)
    return door


class _NoContent:
    """The content of a response whose bytes come from the pump: none."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
