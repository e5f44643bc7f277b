"""`GET /notifications/ws`: the same stream over WebSocket (RFC 6455), one JSON text message an event.

For networks that break Server-Sent Events. Same cursors, same control events, same pump; only the transport differs.
docs/reference/websocket.md lists the messages and the close codes.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from notify_sse.auth import READING, Grant
from notify_sse.core.control import Busy, CloseReason, ControlEvent, under
from notify_sse.core.frames import Frame
from notify_sse.errors import Forbidden, Limited, NotEnabled, NotifyError, Overloaded
from notify_sse.gateway import eager
from notify_sse.web.http.entrance import refuse_websocket
from notify_sse.web.http.problems import problem, refusal
from notify_sse.web.http.request_origin import origin
from notify_sse.web.http.root import root_of
from notify_sse.web.service import Service
from notify_sse.web.streams.request import last_event_id, topics_in

AUTH_S: Final = 5.0
MAX_MESSAGE_BYTES: Final = 16_384
BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
NOT_ENABLED: Final = 4404
"""The recipient is to poll."""
AUTH_TIMEOUT: Final = 4408
TRY_AGAIN_LATER: Final = 1013
_CLOSE_CODES: Final[dict[CloseReason, int]] = {
    "drain": 1012,
    "token_expired": 4001,
    "revoked": 4002,
    "replaced": 4003,
    "slow_consumer": 4004,
}
_encode = msgspec.json.Encoder().encode


class AuthMessage(msgspec.Struct, frozen=True, tag="auth"):
    """The first message of a client that can send neither a header nor a cookie."""

    token: str
    last_event_id: str | None = None


class PingMessage(msgspec.Struct, frozen=True, tag="ping"):
    """Asks for a `pong` event; for clients that cannot see protocol pings."""


class _Hangup(Exception):
    """Close with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WsTransport:
    """Writes to a WebSocket's ASGI `send`."""

    __slots__ = ("_root", "_send", "_task")
    buffered_bytes = 0
    """The server behind ASGI has them, and does not say how many."""
    name = "websocket"
    greets = True

    def __init__(self, send: Send, *, root: str) -> None:
        self._root = root
        self._send = send
        self._task: asyncio.Task[Any] | None = asyncio.current_task()

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return eager.start(self._write(frames))

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        event = under(event, self._root)
        document: dict[str, Any] = {"event": event.name, "data": event.data}
        return eager.start(self._text(_encode({"id": str(event.cursor), **document} if event.cursor else document)))

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        return eager.start(self._close(reason))

    def abort(self) -> None:
        if self._task:
            self._task.cancel()

    async def pong(self) -> None:
        """Answer a ping message. Not through the pump: a message of its own may stand between any two."""
        await self._text(b'{"event":"pong"}')

    async def _write(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            await self._text(b'{"id":"%b","event":"%b","data":%b}' % (frame.cursor, frame.name.encode(), frame.body))

    async def _text(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "text": data.decode()})

    async def _close(self, reason: CloseReason) -> None:
        await self._send({"type": "websocket.close", "code": _CLOSE_CODES[reason], "reason": reason})


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket until either side ends it."""
    service: Service = scope["app"].state.service
    began = time.monotonic()
    await receive()  # websocket.connect
    if scope["http_version"] == "2":  # as for `VersionNotSupported`
        await send({"type": "websocket.close"})
        return
    try:
        service.limits.rates.arrive(scope)
    except Limited as exc:
        await refuse_websocket(refusal(exc), scope, send)
        return
    await send({"type": "websocket.accept"})
    transport = WsTransport(send, root=root_of(scope))
    try:
        grant, cursor = await _greet(service, scope, receive)
        service.limits.rates.connect(grant.subject)
        service.rollout.check(grant.subject)
        topics = topics_in(QueryParams(scope["query_string"]))
        connection = await service.admission.admit(
            grant, transport, topics=topics, last_event_id=cursor, origin=origin(scope)
        )
    except _Hangup as exc:
        await send({"type": "websocket.close", "code": exc.code})
        return
    except Overloaded as exc:
        if waiting := transport.write_control(Busy(int(exc.retry_after_s * 1000))):
            await waiting
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "busy"})
        return
    except NotifyError as exc:
        await send({"type": "websocket.close", "code": _code(exc), "reason": _reason(exc)})
        return
    service.recipients_seen.note("stream", grant.subject)
    try:
        service.registry.open(connection)
        service.metrics.connect_seconds.observe(time.monotonic() - began)
        await _listen(transport, receive)
    except _Hangup as exc:
        connection.leave()
        await send({"type": "websocket.close", "code": exc.code})
    finally:
        service.registry.leave(connection)


async def _greet(service: Service, scope: Scope, receive: Receive) -> tuple[Grant, str | None]:
    """Whose it is, by header, cookie or query, else by a first message; and the last event id that it brings."""
    brought = last_event_id(scope, QueryParams(scope["query_string"]))
    if service.verifier.found(scope):
        return await service.verifier.authenticate(scope, ways=READING), brought
    try:
        async with asyncio.timeout(AUTH_S):
            first = _message(await receive())
    except TimeoutError:
        raise _Hangup(AUTH_TIMEOUT) from None
    if not isinstance(first, AuthMessage):
        raise _Hangup(UNAUTHORIZED)
    return await service.verifier.verify_or_refresh(first.token), first.last_event_id or brought


async def _listen(transport: WsTransport, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if not isinstance(_message(message), PingMessage):
            raise _Hangup(BAD_MESSAGE)
        await transport.pong()


def _message(message: Message) -> AuthMessage | PingMessage:
    data = message.get("text") or message.get("bytes") or b""
    if len(data) > MAX_MESSAGE_BYTES:
        raise _Hangup(BAD_MESSAGE)
    try:
        return msgspec.json.decode(data, type=AuthMessage | PingMessage)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _Hangup(BAD_MESSAGE) from None


async def upgrade_required(_: Request) -> Response:
    """The answer to a plain GET (RFC 9110, 15.5.22)."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    title, detail = "A WebSocket is required", "this path takes a WebSocket's handshake"
    return problem(426, code="upgrade_required", title=title, detail=detail, headers=headers)


def _code(exc: NotifyError) -> int:
    if isinstance(exc, NotEnabled):
        return NOT_ENABLED
    return FORBIDDEN if isinstance(exc, Forbidden) else UNAUTHORIZED


def _reason(exc: NotifyError) -> str:
    """At most 123 bytes (RFC 6455, 5.5)."""
    return exc.code if isinstance(exc, NotEnabled) else str(exc)[:100]
