"""The long poll: a connection that ends with the first notifications that it gets, or with the first reset.

The same admission, pump and stream as the other transports; what it got becomes an answer of the history.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from itertools import accumulate

import msgspec
from starlette.requests import Request

from notify_sse.auth import Grant
from notify_sse.core.control import CloseReason, Closing, ControlEvent, Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame
from notify_sse.web.http.request_origin import origin
from notify_sse.web.limits.histories import PAGE_BYTES
from notify_sse.web.service import Service


class Polled(msgspec.Struct, frozen=True):
    """What a long poll got. `cursor` is where the next request goes on; with `more`, it finds something at once."""

    frames: Sequence[Frame]
    cursor: Cursor
    more: bool
    reset: Reset | None


class PollTransport:
    """Keeps what it is given: `limit` notifications of `types` (of any, when empty) at most, and no more once they have
    `PAGE_BYTES`.

    Once it has something, it takes no more until the request is over: the stream waits, as for a slow client.
    """

    name = "poll"
    buffered_bytes = 0
    """What it was given is not written before the answer."""
    greets = False

    def __init__(self, *, types: Sequence[str], limit: int) -> None:
        self._types = frozenset(types)
        self.takes_all = not types
        self._limit = limit
        self.frames: list[Frame] = []
        self.cut_at: int | None = None
        """The position up to which it took, when there was more."""
        self.reset: Reset | None = None
        self.arrived = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        wanted = [one for one in frames if not self._types or one.type in self._types]
        if not wanted:
            return None
        sizes = accumulate(len(one.block) for one in wanted)
        fit = min(self._limit, 1 + sum(size < PAGE_BYTES for size in sizes))
        self.frames = wanted[:fit]
        if len(wanted) > fit:
            self.cut_at = self.frames[-1].id
        return self._arrive()

    def write_control(self, event: ControlEvent) -> Awaitable[None] | None:
        if isinstance(event, Reset):
            self.reset = event
            return self._arrive()
        if isinstance(event, Closing):
            self._arrive()
        return None

    def finish(self, reason: CloseReason) -> Awaitable[None] | None:
        del reason
        self._arrive()
        return None

    def abort(self) -> None:
        self._arrive()

    def end(self) -> None:
        """The request is over; whoever waits for this transport goes on."""
        if not self._over.done():
            self._over.set_result(None)

    def _arrive(self) -> Awaitable[None]:
        self.arrived.set()
        return self._over


async def poll(
    service: Service,
    request: Request,
    grant: Grant,
    *,
    topics: Sequence[str],
    last_event_id: str | None,
    types: Sequence[str],
    limit: int,
    wait_s: float,
) -> Polled:
    """Wait until something comes, `wait_s` are over, the token ends, or the client goes.

    Raises `Forbidden`, `Overloaded`, as for any stream.
    """
    transport = PollTransport(types=types, limit=limit)
    connection = await service.admission.admit(
        grant, transport, topics=topics, last_event_id=last_event_id, origin=origin(request.scope)
    )
    if connection.reset:
        return Polled([], connection.reset.to, more=False, reset=connection.reset)
    leaving = asyncio.ensure_future(_left(request))
    leaving.add_done_callback(lambda _: transport.arrived.set())
    try:
        service.registry.open(connection)
        async with asyncio.timeout(wait_s):
            await transport.arrived.wait()
    except TimeoutError:
        pass
    finally:
        leaving.cancel()
        cursor = connection.stream.seen(service.tail)
        if transport.cut_at is not None:
            connection.stream.rewind(transport.cut_at)  # what is beyond was not taken
        service.registry.leave(connection)
        transport.end()
    if transport.cut_at is not None:
        cursor = Cursor(cursor.epoch, transport.cut_at)
    more = bool(transport.frames) and cursor.position < service.tail.position
    return Polled(transport.frames, cursor, more=more, reset=transport.reset)


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
