"""`GET /notifications/history`: pages of the log as JSON; with `wait`, a long poll (web/streams/longpoll.py)."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import READING, Grant
from notify_sse.core.control import Reset
from notify_sse.core.cursor import Cursor, parse_cursor
from notify_sse.core.frames import Frame, frame
from notify_sse.core.parse import TYPE
from notify_sse.core.ports import Head, Page
from notify_sse.core.read_state import Marks
from notify_sse.errors import BadRequest, StoreUnavailable
from notify_sse.web.api.transport import polling_headers
from notify_sse.web.http import answers
from notify_sse.web.http.pieces import PRINCIPAL
from notify_sse.web.http.root import root_of
from notify_sse.web.limits.histories import Bounds
from notify_sse.web.service import Service
from notify_sse.web.streams.longpoll import poll
from notify_sse.web.streams.request import topics_in

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_WAIT_S: Final = 30.0
MARKS_S: Final = 2.0
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
    root: str
    """Under which path the client sees the service."""


async def history(request: Request) -> Response:
    """A page of what the recipient (and the topics named) got, gap-free with the stream from its `cursor`.

    Reading forward is polling: it counts, and the answer says since when that is deprecated.
    """
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=READING)
    service.limits.rates.history(grant.subject)
    service.limits.answers.check(grant.subject)
    request.scope[PRINCIPAL] = grant.subject
    query = _checked(request.query_params, root=root_of(request.scope))
    response = await _answered(request, grant, query)
    if query.order == "asc" and query.before is None:
        service.recipients_seen.note("poll", grant.subject)
        response.headers.update(polling_headers(service.settings, root=query.root))
    return response


async def _answered(request: Request, grant: Grant, query: Query) -> Response:
    service: Service = request.app.state.service
    admission = service.admission
    channels = admission.channels(grant, query.topics)
    admission.check_serving()
    if query.wait_s:
        return await _polled(request, grant, query)
    before = _before_cursor(service, query)
    if isinstance(before, Reset):
        return await _reset_response(service, grant, query, before)
    after: Cursor | None = None
    if query.after:
        placed = await admission.place(query.after, channels)
        if placed.reset:
            return await _reset_response(service, grant, query, placed.reset)
        after = placed.cursor
    bounds = Bounds(
        after=after.position if after else None,
        before=before.position if before else None,
        types=query.types,
        descending=query.order == "desc",
    )
    page = await service.histories.read(grant.subject, channels, bounds, limit=query.limit + 1)
    if reset := _reset_if_log_changed(query, page.head, after=after, before=before):
        return await _reset_response(service, grant, query, reset)
    if after and after.position < page.head.floor:
        reset = Reset("expired", after, Cursor(page.head.epoch, page.head.floor), query.topics)
        service.metrics.resets.labels(reset.reason).inc()
    return await _page(service, grant, page, query, bounds, after=after, before=before, reset=reset)


async def _polled(request: Request, grant: Grant, query: Query) -> Response:
    service: Service = request.app.state.service
    polled = await poll(
        service,
        request,
        grant,
        topics=query.topics,
        last_event_id=query.after,
        types=query.types,
        limit=query.limit,
        wait_s=query.wait_s,
    )
    return await _json(
        service, grant, polled.frames, cursor=polled.cursor, more=polled.more, reset=_told(polled.reset, query)
    )


def _checked(params: QueryParams, *, root: str) -> Query:
    order = params.get("order", "asc")
    if order not in ("asc", "desc"):
        raise BadRequest("order", "must be asc or desc")
    wait_s = _number(params, "wait", default=0, lowest=0, highest=MAX_WAIT_S)
    if wait_s and (order == "desc" or params.get("before")):
        raise BadRequest("wait", "goes with ascending order and without before")
    types = tuple(name for given in params.getlist("type") for name in given.split(",") if name)
    if not all(map(TYPE.fullmatch, types)):
        raise BadRequest("type", "must be types as notifications have them")
    return Query(
        after=params.get("after") or None,
        before=params.get("before") or None,
        limit=int(_number(params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)),
        types=types,
        order=order,  # type: ignore[arg-type]
        wait_s=wait_s,
        topics=tuple(topics_in(params)),
        root=root,
    )


def _number(params: QueryParams, name: str, *, default: float, lowest: float, highest: float) -> float:
    given = params.get(name)
    if given is None:
        return default
    value = float(given) if (INTEGER if name == "limit" else DECIMAL).fullmatch(given) else -1.0
    if not lowest <= value <= highest:
        raise BadRequest(name, f"must be a number from {lowest:g} to {highest:g}")
    return value


def _before_cursor(service: Service, query: Query) -> Cursor | Reset | None:
    """Where to read back from. Beyond the log's head is no break: there is nothing there."""
    if query.before is None:
        return None
    cursor = parse_cursor(query.before)
    if cursor is None or cursor.epoch != service.tail.epoch:
        return Reset("unknown_epoch", cursor, service.tail.cursor, query.topics)
    return cursor


def _reset_if_log_changed(query: Query, head: Head, *, after: Cursor | None, before: Cursor | None) -> Reset | None:
    """The reset for a page of another log than that of the cursors with which it was asked for, or of one that went
    back: this process has not noticed yet.
    """
    asked, to = after or before, Cursor(head.epoch, head.position)
    if asked and asked.epoch != head.epoch:
        return Reset("unknown_epoch", asked, to, query.topics)
    if after and after.position > head.position:
        return Reset("ahead_of_log", after, to, query.topics)
    return None


async def _reset_response(service: Service, grant: Grant, query: Query, reset: Reset) -> Response:
    """The answer to a cursor that leads nowhere."""
    service.metrics.resets.labels(reset.reason).inc()
    return await _json(service, grant, [], cursor=reset.to, more=False, reset=_told(reset, query))


async def _page(
    service: Service,
    grant: Grant,
    page: Page,
    query: Query,
    bounds: Bounds,
    *,
    after: Cursor | None,
    before: Cursor | None,
    reset: Reset | None,
) -> Response:
    """Ascending, the cursor is the end of the page, and never before `after`; descending, the place from which it
    reads back. A page that looked for some types in vain may end early: then there is more, though it is not full.
    """
    head, full = page.head, len(page.events) > query.limit
    events = page.events[: query.limit]
    early = not full and bounds.beyond(page) is not None
    if query.order == "asc":
        upto = max(events[-1].id if full else page.upto, after.position if after else 0)
    else:
        upto = max(0, min(before.position - 1, head.position)) if before else head.position
    read_on = Cursor(head.epoch, page.upto) if early and query.order == "desc" else None
    now_ms = int(time.time() * 1000)
    frames = [one for one in (frame(event, head.epoch) for event in events) if not 0 < one.expires_ms <= now_ms]
    cursor, more = Cursor(head.epoch, upto), full or early
    return await _json(service, grant, frames, cursor=cursor, more=more, reset=_told(reset, query), read_on=read_on)


def _told(reset: Reset | None, query: Query) -> Reset | None:
    return msgspec.structs.replace(reset, root=query.root) if reset else None


async def _json(
    service: Service,
    grant: Grant,
    frames: Sequence[Frame],
    *,
    cursor: Cursor,
    more: bool,
    reset: Reset | None,
    read_on: Cursor | None = None,
) -> Response:
    notifications = [one for one in frames if not one.own]
    marks = await _marks(service, grant, notifications)
    items = tuple(Raw(b'%b,"cursor":"%b"%b}' % (one.body[:-1], one.cursor, _read(one, marks))) for one in notifications)
    events = tuple(answers.HistoryEvent(one.name, one.cursor.decode(), Raw(one.body)) for one in frames if one.own)
    told = msgspec.convert(reset.data, answers.Reset) if reset else None
    before = str(read_on) if read_on else UNSET
    return answers.answer(answers.HistoryPage(grant.subject, items, str(cursor), more, told, before, events or UNSET))


async def _marks(service: Service, grant: Grant, frames: Sequence[Frame]) -> Marks | None:
    """What of `frames` is read. None without read state, and when the database does not tell: a long poll answers from
    memory while it is away.
    """
    if service.read_state is None or not frames:
        return None
    try:
        async with asyncio.timeout(MARKS_S):
            return await service.read_state.marks(grant.subject, [one.id for one in frames])
    except (StoreUnavailable, TimeoutError):
        return None


def _read(one: Frame, marks: Marks | None) -> bytes:
    if marks is None:
        return b""
    return b',"read":true' if marks.read(one.id) else b',"read":false'
