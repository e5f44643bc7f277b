"""HTTP/1.1 only: HTTP/2 is for the proxy in front, WebSockets are the door's. And heads have to come in time.

Hypercorn takes an offer of h2c before the app can say no, and takes a connection preface for HTTP/2. It has no setting
against either, and its HTTP/2 holds no sender back (`VersionNotSupported`). Its WebSockets have no limits that hold:
it stores a message before it measures it, and inflates without end (docs/adr/0019-websocket-door.md).
"""

import asyncio
import re
import time
from functools import partial
from typing import Any, Final, cast
from urllib.parse import unquote

import h11
from hypercorn import protocol
from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import EndBody, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request as HeadOfRequest
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import VersionNotSupported
from notify_sse.web.door.door import address_of
from notify_sse.web.door.handshake import wants_websocket
from notify_sse.web.door.head import MAX_FIELDS, UpgradeRequest, few_lines
from notify_sse.web.door.loop import ServerLoop
from notify_sse.web.door.patience import Patience
from notify_sse.web.http.problems import refusal
from notify_sse.web.limits.small_lines import SmallLines

_ABSOLUTE: Final = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1, which stays that. `patience` bounds the time from the first byte of a head to its last:
    Hypercorn itself waits for a head as long as it keeps an idle connection.
    """

    def __init__(self, patience: "Patience[Http1]", small_lines: SmallLines, *args: Any) -> None:
        super().__init__(*args)
        self.connection = _Reading(h11.SERVER, max_incomplete_event_size=self.config.h11_max_incomplete_size)
        self._patience = patience
        self._small_lines = small_lines
        self._doors = cast(ServerLoop, asyncio.get_running_loop()).doors
        self._waits_for_head = False
        self._giving_up: asyncio.Task[None] | None = None
        self._is_cut_short = self._is_refused = False
        self._untaken = memoryview(b"")

    async def handle(self, event: Event) -> None:
        """Take what came in, or the end of the connection."""
        if isinstance(event, RawData):
            await self._take_in_turns(event.data)
        else:
            await super().handle(event)
        waits = isinstance(event, RawData) and self._is_within_head()
        if waits and not self._waits_for_head:
            self._patience.begin(self)
        elif not waits:
            self._patience.end(self)
        self._waits_for_head = waits
        if isinstance(event, Closed):
            self._answered()
            # Else Hypercorn keeps the socket of a client that has gone as long as that of one that is idle.
            await self.send(Updated(idle=False))

    async def _take_in_turns(self, data: bytes) -> None:
        """A few lines at a time, with a rest in between: h11 reads all that it has in one step, and each line (a field,
        a trailer, the head of a chunk) costs it some microseconds. Too many that are incomplete end it.
        """
        for part, self._untaken in few_lines(data):
            since = time.monotonic()
            await super().handle(RawData(part))
            connection = self.connection
            if not isinstance(connection, h11.Connection) or connection.their_state is h11.ERROR or self._is_refused:
                return
            if connection.trailing_data[0].count(b"\n") > MAX_FIELDS + 1:
                await self._refuse(431)
                return
            if self._untaken:
                await self._small_lines.rest(since)

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer. A refused upgrade ends its connection: Hypercorn would keep that for ever. And so
        does each answer of a process that ends: the next request would meet a socket that is about to close.

        An app that ended while the head of its answer was being written has none for Hypercorn, which then begins a
        second one, a 500. There is no place for that, nor for any answer behind the refusal of what cannot be read: the
        connection ends.
        """
        if isinstance(event, Response) and self._is_answered():
            self._is_cut_short = True
            await self.send(Closed())
        if self._is_cut_short and not isinstance(event, StreamClosed):
            return
        if isinstance(event, Response) and self._doors is not None and self._doors.ending:
            event = Response(event.stream_id, [*event.headers, (b"connection", b"close")], event.status_code)
        await super().stream_send(event)
        if isinstance(event, EndBody) and not isinstance(self.connection, h11.Connection):
            await self.send(Closed())

    def give_up(self) -> None:
        """Refuse the request: its head is not complete, and will not be waited for."""
        self._giving_up = asyncio.get_running_loop().create_task(self._refuse(408))

    async def _refuse(self, status_code: int) -> None:
        """Before an app has begun to answer; once it has, the connection ends without a further word."""
        self._is_refused = True
        if not self._is_answered():
            await self._send_error_response(status_code)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        """Where Hypercorn refuses what it cannot read, and what no app hears of."""
        await super()._send_error_response(status_code)
        if self._doors is not None and self.stream is None:
            self._doors.on_unread(address_of(_server_of(self).writer.transport), status_code)

    async def _maybe_recycle(self) -> None:
        """Where an answer is whole."""
        self._answered()
        await super()._maybe_recycle()

    def _answered(self) -> None:
        if self._doors is not None:
            self._doors.sockets.rests(cast(asyncio.Transport, _server_of(self).writer.transport))

    def _is_answered(self) -> bool:
        connection = self.connection
        return isinstance(connection, h11.Connection) and connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    def _is_within_head(self) -> bool:
        connection = self.connection
        if not isinstance(connection, h11.Connection) or connection.their_state is not h11.IDLE:
            return False
        return bool(connection.trailing_data[0])

    async def _check_protocol(self, event: h11.Request) -> None:
        """Where Hypercorn changes to HTTP/2. An offer may be ignored (RFC 9110, 7.8); a preface is a request to us."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Where Hypercorn has a whole head. One with too many fields is refused (RFC 6585, 5). A WebSocket is the
        door's when it is ours; else the wish for it is ignored.
        """
        if len(request.headers) > MAX_FIELDS:
            await self._refuse(431)
            return
        if self._doors is not None:
            self._doors.sockets.asks(cast(asyncio.Transport, _server_of(self).writer.transport))
        request = _in_origin_form(request)
        if not wants_websocket(request.headers):
            await super()._create_stream(request)
            return
        doors = self._doors
        path, _, query = request.target.partition(b"?")
        asked = unquote(path.decode("ascii")).encode()
        is_ours = doors is not None and asked.removeprefix(doors.paths.root) == doors.paths.websocket
        if doors is None or not is_ours or request.method != b"GET" or request.http_version != b"1.1":
            headers = [header for header in request.headers if header[0] != b"upgrade"]
            await super()._create_stream(
                h11.Request(
                    method=request.method, headers=headers, target=request.target, http_version=request.http_version
                )
            )
            return
        server = _server_of(self)
        transport, writer = cast(asyncio.Transport, server.writer.transport), server.writer
        behind, _ = self.connection.trailing_data
        self.connection = cast(Any, _Over())
        server.writer = cast(Any, _NoWriter())
        server.reader.feed_eof()
        behind += bytes(self._untaken) + await server.reader.read()
        doors.sockets.take_back(transport)
        doors.upgrade(UpgradeRequest(query, list(request.headers), behind), transport, keeps=writer)


def _in_origin_form(request: h11.Request) -> h11.Request:
    """A target that names its host, as for a proxy, is to be taken, and its host to be believed (RFC 9112, 3.2.2)."""
    absolute = _ABSOLUTE.fullmatch(request.target)
    if absolute is None:
        return request
    host, rest = absolute.group(1), absolute.group(2) or b"/"
    headers = [(b"host", host), *(header for header in request.headers if header[0] != b"host")]
    target = rest if rest.startswith(b"/") else b"/" + rest
    return h11.Request(method=request.method, headers=headers, target=target, http_version=request.http_version)


class _Reading(h11.Connection):
    """h11's connection. Its errors name the frames that raised them, and those the error and all of the connection:
    such a cycle is freed only by the collector.
    """

    def next_event(self) -> Any:
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            error.__traceback__ = None
            raise


class _Request(HTTPStream):
    """Hypercorn's request and its app, whose queue holds a few parts of a body. What the app will not read any more is
    thrown away. It stood in the way of the end, and nobody else would ever take it: neither for the app, which is told
    by whoever finds out, and often finds out itself, by writing, nor for the one who reads.
    """

    _reader: asyncio.Task[Any] | None = None

    async def handle(self, event: StreamEvent) -> None:
        if isinstance(event, HeadOfRequest):
            self._reader = asyncio.current_task()
        # A client that has sent all, and says nothing more, may wait for its answer: then the reader tells, and waits.
        if isinstance(event, StreamClosed) and asyncio.current_task() is not self._reader:
            self._throw_away()
        await super().handle(event)

    async def app_send(self, message: Any) -> None:
        if message is None:  # the app has ended
            self._throw_away()
        await super().app_send(message)

    def _throw_away(self) -> None:
        if self.app_put is not None:
            queue: asyncio.Queue[Any] = cast(Any, self.app_put).__self__
            while not queue.empty():
                queue.get_nowait()


class _Connection(TCPServer):
    """Hypercorn's server of one connection. In the end it lets go of what holds it: else the collector has to find all
    that the connection was made of.
    """

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            if (lost := self.reader.exception()) is not None:
                lost.__traceback__ = None  # whoever met it raised it, and is named there, and names the reader
            vars(self).clear()


class _Over:
    """Stands for the HTTP of a connection that has become something else."""

    they_are_waiting_for_100_continue: Final = False

    def next_event(self) -> Any:
        return h11.NEED_DATA

    def receive_data(self, data: bytes) -> None:
        """There is only the end."""


class _NoWriter:
    """Stands for the writer of a socket that Hypercorn has no more."""

    transport: Final = None

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        pass


def _server_of(http: H11Protocol) -> TCPServer:
    """Hypercorn's server of one connection: it gives its protocol one of its methods to send with."""
    server: TCPServer = cast(Any, http.send).__self__
    return server


def keep_to_http1(*, request_timeout_s: float) -> None:
    """Have Hypercorn serve its connections with `Http1`; 0: a head may take for ever."""
    patience: Patience[Http1] = Patience(request_timeout_s, Http1.give_up)
    # Names that the modules do not export.
    setattr(run, TCPServer.__name__, _Connection)
    setattr(protocol, H11Protocol.__name__, partial(Http1, patience, SmallLines()))
    setattr(protocol.h11, HTTPStream.__name__, _Request)


class Http1Only:
    """ASGI: refuses the preface of an HTTP/2 connection (RFC 9113, 3.4): it reads like a request of the method PRI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "PRI":
            response = refusal(VersionNotSupported("speak HTTP/1.1: let the proxy in front speak HTTP/2"))
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)
