"""`GET /notifications/history`: pages of the log as JSON, and long polling on the same stream core."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.connection import Connection
from notify_sse.gateway import Gateway
from notify_sse.ports import Page
from notify_sse.sse import Control, Cursor, Frame, Reset, frame, parse_cursor
from notify_sse.web.problems import BadRequest
from notify_sse.web.stream import named_topics

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_WAIT_S: Final = 30.0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a history request, checked."""

    after: str | None
    before: Cursor | None
    limit: int
    types: tuple[str, ...]
    order: Literal["asc", "desc"]
    wait_s: float


async def history(request: Request) -> Response:
    """A page of what the recipient (and the topics named) got, gap-free with the stream from its `cursor`."""
    gateway: Gateway = request.app.state.gateway
    grant = await gateway.verifier.authenticate(request.scope)
    channels = gateway.channels(grant, named_topics(request.query_params))
    query = _checked(request.query_params, epoch=gateway.tail.epoch)
    if gateway.draining or not gateway.relay.filled:
        raise gateway.overloaded("this process takes no requests now")
    if query.order == "desc":
        return _descending(await _page(gateway, channels, query, after=None), query)
    if query.after is None and not query.wait_s:
        page = await _page(gateway, channels, query, after=None)
        return _ascending(page, query, reset=None)
    place = await gateway.resume(query.after)
    if isinstance(place, Reset):
        gateway.metrics.resets.labels(place.reason).inc()
        return _json([], cursor=place.to, more=False, reset=place)
    if query.wait_s:
        return await _wait(gateway, channels, query, place, owner=grant.subject)
    page = await _page(gateway, channels, query, after=place.position)
    expired = place.position < page.head.floor
    reset = Reset("expired", place, Cursor(page.head.epoch, page.head.floor)) if expired else None
    if reset:
        gateway.metrics.resets.labels(reset.reason).inc()
    return _ascending(page, query, reset=reset)


def _checked(params: QueryParams, *, epoch: str) -> Query:
    order = params.get("order", "asc")
    if order not in ("asc", "desc"):
        raise BadRequest("order", "must be asc or desc")
    before = None
    if given := params.get("before"):
        before = parse_cursor(given)
        if before is None or before.epoch != epoch:
            raise BadRequest("before", "must be a cursor of this log")
    types = tuple(name for given in params.getlist("type") for name in given.split(",") if name)
    wait_s = _number(params, "wait", default=0, lowest=0, highest=MAX_WAIT_S)
    if wait_s and (order == "desc" or before):
        raise BadRequest("wait", "goes with ascending order and without before")
    return Query(
        after=params.get("after") or None,
        before=before,
        limit=int(_number(params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)),
        types=types,
        order=order,  # type: ignore[arg-type]
        wait_s=wait_s,
    )


def _number(params: QueryParams, name: str, *, default: float, lowest: float, highest: float) -> float:
    given = params.get(name)
    if given is None:
        return default
    try:
        value = int(given) if name == "limit" else float(given)
    except ValueError:
        value = -1
    if not lowest <= value <= highest:
        raise BadRequest(name, f"must be a number from {lowest:g} to {highest:g}")
    return value


async def _page(gateway: Gateway, channels: tuple[str, ...], query: Query, *, after: int | None) -> Page:
    gateway.metrics.pages_read.inc()
    return await gateway.store.history(
        channels,
        after=after,
        before=query.before.position if query.before else None,
        types=query.types,
        descending=query.order == "desc",
        limit=query.limit + 1,
    )


def _ascending(page: Page, query: Query, *, reset: Reset | None) -> Response:
    more = len(page.events) > query.limit
    events = page.events[: query.limit]
    upto = events[-1].id if more else page.upto
    return _json(_items(events, page), cursor=Cursor(page.head.epoch, upto), more=more, reset=reset)


def _descending(page: Page, query: Query) -> Response:
    events = page.events[: query.limit]
    newest = query.before.position - 1 if query.before else page.head.position
    cursor = Cursor(page.head.epoch, min(newest, page.head.position))
    return _json(_items(events, page), cursor=cursor, more=len(page.events) > query.limit, reset=None)


def _items(events: Sequence[Any], page: Page) -> list[Frame]:
    return [frame(event, page.head.epoch) for event in events]


def _json(frames: Sequence[Frame], *, cursor: Cursor, more: bool, reset: Reset | None) -> Response:
    items = b",".join(b'%b,"cursor":"%b.%d"}' % (one.body[:-1], cursor.epoch.encode(), one.id) for one in frames)
    rest = msgspec.json.encode({"cursor": str(cursor), "more": more, "reset": reset.data() if reset else None})
    headers = {"Cache-Control": "no-store"}
    return Response(b'{"items":[%b],%b' % (items, rest[1:]), 200, headers, "application/json")


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


async def _wait(gateway: Gateway, channels: tuple[str, ...], query: Query, place: Cursor, *, owner: str) -> Response:
    waiter = Waiter(channels, place, generation=gateway.tail.generation, owner=owner)
    waiter.expect(query)
    try:
        await gateway.pump.open(waiter, connection_id=uuid4().hex, reset=None)
        async with asyncio.timeout(query.wait_s):
            await waiter.arrived.wait()
    except TimeoutError:
        pass
    finally:
        cursor = waiter.seen(gateway.tail)
        gateway.pump.leave(waiter)
    more = bool(waiter.frames) and cursor.position < gateway.tail.position
    return _json(waiter.frames, cursor=cursor, more=more, reset=waiter.reset)
