"""`GET /notifications/ws`: the same stream over WebSocket (RFC 6455), one JSON text message an event.

For networks that break Server-Sent Events. Same cursors, same control events, same pump; only the transport differs.
It is the door's, which reads the frames; this is the handshake, and what a client may say.
docs/reference/websocket.md lists the messages and the close codes.
"""

import asyncio
import time
from typing import Annotated, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from notify_sse import eager
from notify_sse.auth import READING, Grant
from notify_sse.core.control import Busy
from notify_sse.errors import BadRequest, Forbidden, Limited, NotEnabled, NotifyError, Overloaded
from notify_sse.gateway.connection import Connection
from notify_sse.web.door import handshake
from notify_sse.web.door.exchange import EXTENSION
from notify_sse.web.door.websocket import MAX_MESSAGE_BYTES, WebSocketTransport
from notify_sse.web.http.access_log import WEBSOCKET_PATH, Requests, note_error
from notify_sse.web.http.problems import problem, refusal
from notify_sse.web.http.request_origin import REQUEST_ID_HEADER, origin, request_id
from notify_sse.web.http.root import root_of
from notify_sse.web.service import Service
from notify_sse.web.streams.request import asked

AUTH_S: Final = 5.0
BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401
FORBIDDEN: Final = 4403
NOT_ENABLED: Final = 4404
"""The recipient is to poll."""
AUTH_TIMEOUT: Final = 4408
TRY_AGAIN_LATER: Final = 1013
"""Close codes; those of a stream's own end are the door's."""

Text = Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE_BYTES)]


class ClientMessage(msgspec.Struct, frozen=True):
    """What a client may say: `{"type": "ping"}`, or `{"token": …}`, which the first time may be `{"type": "auth", …}`,
    with the cursor to go on from.
    """

    type: Literal["auth", "ping"] | None = None
    token: Text | None = None
    last_event_id: Text | None = None

    def __repr__(self) -> str:
        """Never the token."""
        return f"ClientMessage(type={self.type!r})"


class _Hangup(Exception):
    """Close with this code."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class _Gone(Exception):
    """The client has gone, or was told to go."""


class _Refused(Exception):
    """Refused before the handshake, with this answer."""

    def __init__(self, response: Response, why: NotifyError | None = None) -> None:
        super().__init__(response.status_code)
        self.response = response
        self.why = why


class WebSockets:
    """The ASGI app of the WebSocket's route, and the handler of every open one; a single one serves them all."""

    def __init__(self, service: Service, *, requests: Requests) -> None:
        self._service = service
        self._requests = requests
        self._renewals: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one handshake; then the door carries the stream."""
        began = time.monotonic()
        await receive()  # websocket.connect
        transport: WebSocketTransport | None = scope.get("extensions", {}).get(EXTENSION)
        if transport is None:
            await _unavailable(scope, receive, send)
            return
        transport.root = root_of(scope)
        status = 101
        try:
            connection = await self._admitted(scope, transport, receive, send)
        except _Refused as exc:
            status = exc.response.status_code
            if exc.why:
                note_error(scope, exc.why)
            exc.response.headers["Connection"] = "close"
            exc.response.headers[REQUEST_ID_HEADER.decode()] = request_id(scope)
            await exc.response(scope, receive, send)
            return
        except _Gone:
            return
        except (NotifyError, _Hangup) as exc:
            if isinstance(exc, NotifyError):
                note_error(scope, exc)
            await _close(transport, send, exc)
            return
        finally:
            request = {**scope, "method": "GET"}
            self._requests.note(request, route=WEBSOCKET_PATH, status=status, duration_s=time.monotonic() - began)
        self._service.metrics.connect_seconds.note(time.monotonic() - began)
        transport.handler = self
        transport.carry(connection, self._service.registry)

    async def _admitted(self, scope: Scope, transport: WebSocketTransport, receive: Receive, send: Send) -> Connection:
        """By what the handshake brings, else by the first message. Raises `_Refused`; or accepts, and raises what it is
        then closed with.
        """
        if wrong := handshake.mistake(scope["headers"]):
            raise _Refused(_not_a_handshake(wrong))
        try:
            self._service.limits.rates.arrive(scope)
        except Limited as exc:
            raise _Refused(refusal(exc), exc) from None
        try:
            found = self._service.verifier.found(scope)
            connection = await self._admit_by_handshake(scope, transport) if found else None
        except NotifyError as exc:
            if not _is_browsers(scope):
                raise _Refused(refusal(exc), exc) from None
            await send({"type": "websocket.accept", "headers": _identified(scope)})
            raise
        await send({"type": "websocket.accept", "headers": _identified(scope)})
        return connection or await self._admit_by_message(scope, transport, receive)

    async def _admit_by_handshake(self, scope: Scope, transport: WebSocketTransport) -> Connection:
        grant = await self._service.verifier.authenticate(scope, ways=READING)
        return await self._admit(grant, scope, transport)

    async def _admit_by_message(self, scope: Scope, transport: WebSocketTransport, receive: Receive) -> Connection:
        """A client that can send neither a header nor a cookie says who it is in its first message."""
        await asyncio.sleep(0)  # it may run without a task so far (`eager`), and a timeout needs one
        try:
            async with asyncio.timeout(AUTH_S):
                first = _received(await receive())
        except TimeoutError:
            raise _Hangup(AUTH_TIMEOUT) from None
        if first.token is None:
            raise _Hangup(UNAUTHORIZED)
        grant = await self._service.verifier.verify_or_refresh(first.token)
        return await self._admit(grant, scope, transport, cursor=first.last_event_id)

    async def _admit(
        self, grant: Grant, scope: Scope, transport: WebSocketTransport, *, cursor: str | None = None
    ) -> Connection:
        self._service.limits.rates.connect(grant.subject)
        self._service.rollout.check(grant.subject)
        wanted = asked(scope)
        connection = await self._service.admission.admit(
            grant,
            transport,
            topics=wanted.topics,
            last_event_id=cursor or wanted.last_event_id,
            origin=origin(scope),
        )
        self._service.recipients_seen.note("stream", grant.subject)
        return connection

    def handle(self, transport: WebSocketTransport, data: bytes) -> None:
        """A message on an open stream. A new token is taken in the order of its coming."""
        try:
            message = _decoded(data)
        except _Hangup as exc:
            transport.fail(exc.code)
            return
        if message.token is None:
            transport.pong()
        elif message.type == "auth":
            transport.fail(BAD_MESSAGE, "auth is for the first message")
        elif task := eager.start(self._renew(transport, message.token)):
            self._renewals.add(task)
            task.add_done_callback(self._renewals.discard)

    async def _renew(self, transport: WebSocketTransport, token: str) -> None:
        """Go on with a new token of the same recipient, which must grant all that the stream reads."""
        transport.renewals += 1
        number = transport.renewals
        try:
            grant = await self._service.verifier.verify_or_refresh(token)
            connection = transport.connection
            if connection is None or transport.renewals != number:  # it has gone, or has sent a newer one
                return
            self._service.admission.check_renewal(grant, connection)
        except NotifyError as exc:
            transport.fail(_code(exc), _reason(exc))
            return
        self._service.registry.renew(connection, token=grant.facts, expires_at=grant.expires_at)


def _received(message: Message) -> ClientMessage:
    if message["type"] == "websocket.disconnect":
        raise _Gone
    return _decoded(message["bytes"])


def _decoded(data: bytes) -> ClientMessage:
    try:
        message = msgspec.json.decode(data, type=ClientMessage)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _Hangup(BAD_MESSAGE) from None
    if (message.token is None) != (message.type == "ping"):
        raise _Hangup(BAD_MESSAGE)
    return message


async def _close(transport: WebSocketTransport, send: Send, exc: NotifyError | _Hangup) -> None:
    """Refuse by a close code, which a browser's page can read. Refused for load, it is told when to come back."""
    if isinstance(exc, _Hangup):
        code, reason = exc.code, exc.reason
    else:
        code, reason = _code(exc), _reason(exc)
    if isinstance(exc, Overloaded):
        transport.write_control(Busy(int(exc.retry_after_s * 1000)))
    await send({"type": "websocket.close", "code": code, "reason": reason})


def _identified(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(REQUEST_ID_HEADER, request_id(scope).encode())]


def _is_browsers(scope: Scope) -> bool:
    """Whether a page asks. A browser sends `Origin` with every handshake (RFC 6455, 4.1), and no `Authorization`; it
    shows a page neither the status nor the body of a refusal.
    """
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"authorization" not in names


def _not_a_handshake(wrong: handshake.Wrong) -> Response:
    if wrong.header != "sec-websocket-version":
        return refusal(BadRequest(wrong.header, wrong.detail))
    headers = {"Sec-WebSocket-Version": handshake.VERSION.decode(), "Upgrade": "websocket"}  # RFC 6455, 4.4
    title, detail = "Another version of WebSocket is required", f"{wrong.header} {wrong.detail}"
    return problem(426, code="upgrade_required", title=title, detail=detail, headers=headers)


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    """Only the door reads WebSockets: of another server we know neither what it keeps nor when it tells of the end."""
    if "websocket.http.response" in scope.get("extensions", {}):
        detail = "WebSockets are served by `notify-sse serve` only"
        await problem(501, code="not_served", title="Not served here", detail=detail)(scope, receive, send)
    else:
        await send({"type": "websocket.close"})


async def upgrade_required(_: Request) -> Response:
    """The answer to a plain GET (RFC 9110, 15.5.22)."""
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    title, detail = "A WebSocket is required", "this path takes a WebSocket's handshake"
    return problem(426, code="upgrade_required", title=title, detail=detail, headers=headers)


def _code(exc: NotifyError) -> int:
    if isinstance(exc, Overloaded):
        return TRY_AGAIN_LATER
    if isinstance(exc, NotEnabled):
        return NOT_ENABLED
    return FORBIDDEN if isinstance(exc, Forbidden) else UNAUTHORIZED


def _reason(exc: NotifyError) -> str:
    """Of a close; 123 bytes at most (RFC 6455, 5.5)."""
    if isinstance(exc, Overloaded):
        return "busy"
    return exc.code if isinstance(exc, NotEnabled) else str(exc)[:100]
