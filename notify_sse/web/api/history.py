"""`GET /notifications/history`: pages of the log as JSON, and long polling on the same stream core."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final, Literal
from uuid import uuid4

import msgspec
from msgspec import Raw
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import Grant
from notify_sse.core.frames import Control, Cursor, Frame, Reset, frame, parse_cursor
from notify_sse.core.ports import Head, Page
from notify_sse.errors import BadRequest
from notify_sse.gateway.admission import Gateway
from notify_sse.gateway.connection import Connection
from notify_sse.web.http import answers
from notify_sse.web.streams.sse import named_topics

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_WAIT_S: Final = 30.0
INTEGER: Final = re.compile(r"[0-9]{1,9}")
DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a history request, checked."""

    after: str | None
    before: str | None
    limit: int
    types: tuple[str, ...]
    order: Literal["asc", "desc"]
    wait_s: float
    topics: tuple[str, ...]


async def history(request: Request) -> Response:
    """A page of what the recipient (and the topics named) got, gap-free with the stream from its `cursor`."""
    gateway: Gateway = request.app.state.gateway
    grant = await gateway.verifier.authenticate(request.scope)
    query = _checked(request.query_params)
    channels = gateway.channels(grant, query.topics)
    if gateway.draining or not gateway.relay.filled:
        raise gateway.overloaded("this process takes no requests now")
    before = _before(gateway, query)
    if isinstance(before, Reset):
        return _told(gateway, query, before)
    place = await gateway.resume(query.after) if query.after or query.wait_s else None
    if isinstance(place, Reset):
        return _told(gateway, query, place)
    if query.wait_s and place:
        return await _wait(request, grant, channels, query, place)
    gateway.metrics.pages_read.inc()
    page = await gateway.store.history(
        channels,
        after=place.position if place else None,
        before=before.position if before else None,
        types=query.types,
        descending=query.order == "desc",
        limit=query.limit + 1,
    )
    if broken := _broken(place, before, page.head):
        return _told(gateway, query, broken)
    reset = None
    if place and place.position < page.head.floor:
        reset = Reset("expired", place, Cursor(page.head.epoch, page.head.floor))
        gateway.metrics.resets.labels(reset.reason).inc()
    return _page(page, query, place=place, before=before, reset=reset)


def _checked(params: QueryParams) -> Query:
    order = params.get("order", "asc")
    if order not in ("asc", "desc"):
        raise BadRequest("order", "must be asc or desc")
    wait_s = _number(params, "wait", default=0, lowest=0, highest=MAX_WAIT_S)
    if wait_s and (order == "desc" or params.get("before")):
        raise BadRequest("wait", "goes with ascending order and without before")
    return Query(
        after=params.get("after") or None,
        before=params.get("before") or None,
        limit=int(_number(params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)),
        types=tuple(name for given in params.getlist("type") for name in given.split(",") if name),
        order=order,  # type: ignore[arg-type]
        wait_s=wait_s,
        topics=tuple(named_topics(params)),
    )


def _number(params: QueryParams, name: str, *, default: float, lowest: float, highest: float) -> float:
    given = params.get(name)
    if given is None:
        return default
    value = float(given) if (INTEGER if name == "limit" else DECIMAL).fullmatch(given) else -1.0
    if not lowest <= value <= highest:
        raise BadRequest(name, f"must be a number from {lowest:g} to {highest:g}")
    return value


def _before(gateway: Gateway, query: Query) -> Cursor | Reset | None:
    """Where to read back from. Beyond the log's head is no break: there is nothing there."""
    if query.before is None:
        return None
    cursor = parse_cursor(query.before)
    if cursor is None or cursor.epoch != gateway.tail.epoch:
        return Reset("unknown_epoch", cursor, gateway.tail.cursor)
    return cursor


def _broken(place: Cursor | None, before: Cursor | None, head: Head) -> Reset | None:
    """The reset for a page of another log than that of the cursors with which it was asked for, or of one that went
    back: this process has not noticed yet.
    """
    asked = place or before
    if asked and asked.epoch != head.epoch:
        return Reset("unknown_epoch", asked, Cursor(head.epoch, head.position))
    if place and place.position > head.position:
        return Reset("ahead_of_log", place, Cursor(head.epoch, head.position))
    return None


def _told(gateway: Gateway, query: Query, reset: Reset) -> Response:
    """The answer to a cursor that leads nowhere."""
    gateway.metrics.resets.labels(reset.reason).inc()
    return _json([], query, cursor=reset.to, more=False, reset=reset)


def _page(page: Page, query: Query, *, place: Cursor | None, before: Cursor | None, reset: Reset | None) -> Response:
    """Ascending, the cursor is the end of the page, and never before `after`; descending, the place from which it
    reads back.
    """
    head, more = page.head, len(page.events) > query.limit
    events = page.events[: query.limit]
    if query.order == "asc":
        upto = max(events[-1].id if more else page.upto, place.position if place else 0)
    else:
        upto = max(0, min(before.position - 1, head.position)) if before else head.position
    now_ms = int(time.time() * 1000)
    frames = [frame(one, head.epoch) for one in events if not 0 < one.expires_ms <= now_ms]
    return _json(frames, query, cursor=Cursor(head.epoch, upto), more=more, reset=reset)


def _json(frames: Sequence[Frame], query: Query, *, cursor: Cursor, more: bool, reset: Reset | None) -> Response:
    items = tuple(Raw(b'%b,"cursor":"%b.%d"}' % (one.body[:-1], cursor.epoch.encode(), one.id)) for one in frames)
    told = msgspec.convert(reset.data(query.topics), answers.Reset) if reset else None
    return answers.answer(answers.HistoryPage(items, str(cursor), more, told))


class Waiter(Connection):
    """A long poll: a connection that ends with the first frames it gets, or the first reset."""

    __slots__ = ("_limit", "_types", "arrived", "frames", "reset")
    transport = "poll"

    def expect(self, query: Query) -> None:
        """What to wait for."""
        self._types = frozenset(query.types)
        self._limit = query.limit
        self.frames: list[Frame] = []
        self.reset: Reset | None = None
        self.arrived = asyncio.Event()

    def write(self, frames: Sequence[Frame]) -> None:
        wanted = [one for one in frames if not self._types or one.type in self._types]
        self.frames += wanted[: self._limit]
        if self.frames:
            if len(wanted) > self._limit:
                self.cursor = self.frames[-1].id
            self._arrive()

    async def control(self, control: Control) -> None:
        if control.event == "reset":
            self.reset = _reset_of(control)
            self._arrive()
        elif control.event == "closing":
            self._arrive()

    async def finish(self) -> None:
        self._arrive()

    def _arrive(self) -> None:
        self.gone = True
        self.arrived.set()


def _reset_of(control: Control) -> Reset:
    to = parse_cursor(control.data["to"])
    came = parse_cursor(control.data["from"] or "")
    assert to is not None
    return Reset(control.data["reason"], came, to)


async def _wait(request: Request, grant: Grant, channels: tuple[str, ...], query: Query, place: Cursor) -> Response:
    """Until something comes, the time is over, the token ends, or the client goes."""
    gateway: Gateway = request.app.state.gateway
    gateway.admit()
    gateway.make_room(grant.subject)
    waiter = Waiter(
        channels,
        place,
        generation=gateway.tail.generation,
        owner=grant.subject,
        token_id=grant.token_id,
        expires_at=grant.expires_at,
    )
    waiter.expect(query)
    leaving = asyncio.ensure_future(_left(request))
    leaving.add_done_callback(lambda _: waiter.arrived.set())
    try:
        await gateway.pump.open(waiter, connection_id=uuid4().hex, reset=None)
        async with asyncio.timeout(query.wait_s):
            await waiter.arrived.wait()
    except TimeoutError:
        pass
    finally:
        leaving.cancel()
        # What was read but not handed over yet has moved the cursor: it is read again.
        in_hand = waiter.busy and not waiter.frames and not waiter.reset
        cursor = place if in_hand else waiter.seen(gateway.tail)
        gateway.pump.leave(waiter)
    more = bool(waiter.frames) and cursor.position < gateway.tail.position
    return _json(waiter.frames, query, cursor=cursor, more=more, reset=waiter.reset)


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
