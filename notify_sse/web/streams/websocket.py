"""`GET /notifications/ws`: the same stream over WebSocket (RFC 6455), one JSON text frame an event.

For networks that break Server-Sent Events. Same cursors, same control events, same pump; only the way out differs.
docs/reference/websocket.md lists the frames and the close codes.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from notify_sse.auth import Grant, credentials
from notify_sse.core.frames import CloseReason, Control, Frame
from notify_sse.errors import Forbidden, NotifyError, Overloaded
from notify_sse.gateway import eager
from notify_sse.gateway.admission import Gateway, open_connection
from notify_sse.gateway.connection import Connection
from notify_sse.web.http.problems import problem
from notify_sse.web.streams.sse import last_event_id, named_topics

AUTH_S: Final = 5.0
MAX_FRAME_BYTES: Final = 16_384
BAD_FRAME: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
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


class AuthFrame(msgspec.Struct, frozen=True, tag="auth"):
    """The first frame of a client that can send neither a header nor a cookie."""

    token: str
    last_event_id: str | None = None


class PingFrame(msgspec.Struct, frozen=True, tag="ping"):
    """Asks for a `pong` event; for clients that cannot see protocol pings."""


class _Hangup(Exception):
    """Close with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class WsConnection(Connection):
    """A connection whose way out is a WebSocket's `send`."""

    __slots__ = ("_send",)
    transport = "websocket"

    def out(self, send: Send) -> None:
        """Where to write."""
        self._send = send

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        return eager.start(self._write(frames))

    async def _write(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            cursor = frame.data[4 : frame.data.index(b"\n")]
            await self._text(b'{"id":"%b","event":"message","data":%b}' % (cursor, frame.body))

    async def control(self, control: Control) -> None:
        document: dict[str, Any] = {"event": control.event, "data": control.data}
        await self._text(_encode({"id": control.cursor, **document} if control.cursor else document))

    async def finish(self) -> None:
        code = _CLOSE_CODES[self.close_reason] if self.close_reason else 1000
        await self._send({"type": "websocket.close", "code": code, "reason": self.close_reason or ""})

    async def pong(self) -> None:
        """Answer a ping frame. Not through the pump: a frame of its own may stand between any two."""
        await self._text(b'{"event":"pong"}')

    async def _text(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "text": data.decode()})


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one WebSocket until either side ends it."""
    gateway: Gateway = scope["app"].state.gateway
    await receive()  # websocket.connect
    if scope["http_version"] == "2":  # as for `VersionNotSupported`
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    try:
        grant, cursor = await _greet(gateway, scope, receive)
        topics = named_topics(QueryParams(scope["query_string"]))
        connection, reset = await open_connection(gateway, WsConnection, grant, topics=topics, cursor=cursor)
    except _Hangup as exc:
        await send({"type": "websocket.close", "code": exc.code})
        return
    except NotifyError as exc:
        await send({"type": "websocket.close", "code": _code(exc), "reason": str(exc)[:100]})
        return
    connection.out(send)
    try:
        await gateway.pump.open(connection, connection_id=uuid4().hex, reset=reset)
        await _listen(connection, receive)
    except _Hangup as exc:
        connection.gone = True
        await send({"type": "websocket.close", "code": exc.code})
    finally:
        gateway.pump.leave(connection)


async def _greet(gateway: Gateway, scope: Scope, receive: Receive) -> tuple[Grant, str | None]:
    """Whose it is, by header, cookie or query, else by a first frame; and the cursor that it brings."""
    cursor = last_event_id(scope, QueryParams(scope["query_string"]))
    if credentials(scope):
        return await gateway.verifier.authenticate(scope), cursor
    try:
        async with asyncio.timeout(AUTH_S):
            first = _frame(await receive())
    except TimeoutError:
        raise _Hangup(AUTH_TIMEOUT) from None
    if not isinstance(first, AuthFrame):
        raise _Hangup(UNAUTHORIZED)
    return await gateway.verifier.verify_or_refresh(first.token), first.last_event_id or cursor


async def _listen(connection: WsConnection, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if not isinstance(_frame(message), PingFrame):
            raise _Hangup(BAD_FRAME)
        await connection.pong()


def _frame(message: Message) -> AuthFrame | PingFrame:
    data = message.get("text") or message.get("bytes") or b""
    if len(data) > MAX_FRAME_BYTES:
        raise _Hangup(BAD_FRAME)
    try:
        return msgspec.json.decode(data, type=AuthFrame | PingFrame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _Hangup(BAD_FRAME) from None


async def upgrade_required(_: Request) -> Response:
    """The answer to a plain GET (RFC 9110, 15.5.22)."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    title, detail = "A WebSocket is required", "this path takes a WebSocket's handshake"
    return problem(426, code="upgrade_required", title=title, detail=detail, headers=headers)


def _code(exc: NotifyError) -> int:
    if isinstance(exc, Forbidden):
        return FORBIDDEN
    if isinstance(exc, Overloaded):
        return TRY_AGAIN_LATER
    return UNAUTHORIZED
