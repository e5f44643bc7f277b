"""`POST /notifications/read` and `GET /notifications/unread`: what a recipient has read, and how much not.

A mark is committed together with the event that tells of it. Then it is announced like any batch, so that every other
device of the recipient hears of it within milliseconds.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, NoReturn

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import CHANGING, READ, Grant
from notify_sse.core.cursor import Cursor, parse_cursor
from notify_sse.core.faults import scalar_fault
from notify_sse.core.model import Announcement
from notify_sse.core.parse import MAX_NOTIFICATION_ID_CHARS
from notify_sse.core.read_state import Marked, ReadState
from notify_sse.errors import BadRequest, Forbidden, StoreUnavailable
from notify_sse.web.http import answers
from notify_sse.web.http.body import read_body
from notify_sse.web.service import Service

MAX_IDS: Final = 500
MAX_BODY_BYTES: Final = 1_048_576
"""Enough for 500 ids in which every character is escaped."""
FIELDS: Final = ("upto", "ids", "read")
CURSOR_HEADER: Final = "Notify-Sse-Cursor"


class UptoMark(msgspec.Struct, frozen=True):
    """Everything up to `cursor` is read."""

    cursor: Cursor


class IdsMark(msgspec.Struct, frozen=True):
    """These are read, or are not."""

    notification_ids: tuple[str, ...]
    read: bool


async def mark(request: Request) -> Response:
    """200, whether or not something changed; `cursor` is the place of the event that tells of a change."""
    service, grant = await _asked(request)
    read_state = _read_state(service)
    wanted = _checked(await read_body(request, max_bytes=MAX_BODY_BYTES))
    if isinstance(wanted, UptoMark):
        await _check_cursor(service, wanted.cursor)
        marking = read_state.mark_upto(grant.subject, wanted.cursor.position)
    else:
        marking = read_state.mark(grant.subject, wanted.notification_ids, read=wanted.read)
    marked = await _in_time(service, marking)
    cursor = None
    if marked.event:
        service.announce(Announcement(marked.epoch, marked.event.id, (marked.event,)))
        cursor = str(Cursor(marked.epoch, marked.event.id))
    return answers.answer(answers.Marked(marked.count, str(marked.read_upto), cursor))


async def unread(request: Request) -> Response:
    """How many notifications of the recipient's own channel are unread, and in a header as of which place in the log:
    whoever is still behind it has counted with these what comes up to there.
    """
    service, grant = await _asked(request)
    [counted] = await _read_state(service).unread([grant.subject])
    unread = answers.Unread(counted.count, str(counted.read_upto))
    return answers.answer(unread, headers={CURSOR_HEADER: str(counted.at)})


async def _asked(request: Request) -> tuple[Service, Grant]:
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=CHANGING)
    if READ not in grant.scopes:
        raise Forbidden(f"the token lacks the scope {READ}")
    service.limits.rates.request(grant.subject)
    return service, grant


def _read_state(service: Service) -> ReadState:
    assert service.read_state, "there are no routes to here without it"
    return service.read_state


async def _in_time(service: Service, marking: Awaitable[Marked]) -> Marked:
    try:
        async with asyncio.timeout(service.settings.publish_timeout_s):
            return await marking
    except TimeoutError:
        raise StoreUnavailable("the outcome is unknown: send the same mark again") from None


async def _check_cursor(service: Service, cursor: Cursor) -> None:
    """A place of another log, or beyond this one, says nothing of what was seen."""
    service.admission.check_serving()
    placed = await service.admission.place(str(cursor))
    if placed.reset:
        beyond = placed.reset.reason == "ahead_of_log"
        raise BadRequest("upto", "lies beyond the end of the log" if beyond else "is a cursor of another log")


def _checked(raw: bytes) -> UptoMark | IdsMark:
    """The mark in a request's body. Raises `BadRequest`, which names the field."""
    given = _decoded(raw)
    for name in given:
        if name not in FIELDS:
            _refuse(name[:100], "is not a field of a mark: it has upto, or ids and read")
    if ("upto" in given) == ("ids" in given):
        _refuse("upto" if "upto" in given else "body", "exactly one of upto and ids is to be given")
    if "upto" in given:
        if "read" in given:
            _refuse("read", "goes with ids only")
        return UptoMark(_cursor(given["upto"]))
    read = given.get("read", True)
    if not isinstance(read, bool):
        _refuse("read", "must be true or false")
    return IdsMark(_ids(given["ids"]), read)


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("body", "is not valid JSON") from None
    if not isinstance(given, dict):
        _refuse("body", "must be an object")
    # As in a notification, null is absent.
    return {name: value for name, value in given.items() if value is not None}


def _cursor(given: object) -> Cursor:
    cursor = parse_cursor(given) if isinstance(given, str) else None
    if cursor is None:
        _refuse("upto", "must be a cursor, such as the id of an event or the `cursor` of a page")
    return cursor


def _ids(given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > MAX_IDS:
        _refuse("ids", f"must be a list of at most {MAX_IDS} notification_ids")
    for place, one in enumerate(given):
        if not isinstance(one, str) or not 1 <= len(one) <= MAX_NOTIFICATION_ID_CHARS or scalar_fault(one):
            _refuse(f"ids[{place}]", f"must be a string of 1 to {MAX_NOTIFICATION_ID_CHARS} characters")
    return tuple(given)


def _refuse(field: str, detail: str) -> NoReturn:
    raise BadRequest(field, detail)
