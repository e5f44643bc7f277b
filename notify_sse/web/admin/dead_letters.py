"""`/admin/dead-letters`: the messages that were refused, with their reasons; look at one, replay or purge some.

As `notify-sse dlq`; and it also works with the in-process broker, whose dead letters no other process can see.
"""

import base64
from collections import Counter
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core.dead_letters import Oldest, chosen_by, handle_of
from notify_sse.core.ports import DeadLetter
from notify_sse.errors import BadRequest, BrokerUnavailable
from notify_sse.web.admin.asking import Administrator, administrator
from notify_sse.web.http.answers import answer
from notify_sse.web.http.body import read_body
from notify_sse.web.http.query import DEFAULT_LIMIT, MAX_LIMIT, whole_number

MAX_REPLAYED: Final = 1000
"""By one request."""
MAX_BODY_BYTES: Final = 65_536
MAX_HANDLES: Final = 500
MAX_TEXT_CHARS: Final = 255
TRUE: Final = ("1", "true", "yes")

Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]


class DeadLetterItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was refused. `handle` names it; equal messages share theirs."""

    handle: str
    died_at: str
    reason: str
    detail: str
    routing_key: str
    content_type: str
    message_id: str | None


class DeadLetterShown(DeadLetterItem, frozen=True, kw_only=True):
    """With its body: as text, or in base64 where it is none."""

    body: str | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET


class DeadLetterPage(msgspec.Struct, frozen=True):
    """The oldest first. `reasons` counts all that there are, by reason. With `more`, not all that are meant are in
    `items`.
    """

    items: tuple[DeadLetterItem, ...]
    reasons: dict[str, Count]
    more: bool


class Replayed(msgspec.Struct, frozen=True):
    """How many were published again. One that is refused again comes back."""

    replayed: Count


class Purged(msgspec.Struct, frozen=True):
    """How many were removed."""

    purged: Count


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which dead letters are meant: some by `handles`, or by `reason`, or both; or `all` of them."""

    handles: Annotated[tuple[Name, ...], Meta(max_length=MAX_HANDLES)] = ()
    reason: Name | None = None
    all: bool = False


async def dead_letters(request: Request) -> Response:
    """GET lists, DELETE purges. One route, so that `Allow` names both."""
    return await (_purge if request.method == "DELETE" else _list)(request)


async def dead_letter(request: Request) -> Response:
    """One of them, with its body."""
    asking, handle = await administrator(request), request.path_params["handle"]
    found: list[DeadLetter] = []

    def visit(letter: DeadLetter) -> bool:
        if handle_of(letter) == handle:
            found.append(letter)
        return bool(found)

    await asking.service.broker.visit_dead_letters(visit)
    if not found:
        raise HTTPException(404, "it is not among the dead letters")
    return answer(_shown(found[0]))


async def replay(request: Request) -> Response:
    """Publishes them again, the oldest first, each removed once that is confirmed."""
    asking = await administrator(request)
    raw = await read_body(request, max_bytes=MAX_BODY_BYTES)
    try:
        wanted = msgspec.json.decode(raw, type=Wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadRequest("body", str(exc)) from None
    await _note(asking, "dead_letters.replay", wanted)
    chosen = chosen_by(wanted.handles, wanted.reason)
    return answer(Replayed(await asking.service.broker.replay_dead_letters(limit=MAX_REPLAYED, chosen=chosen)))


async def _purge(request: Request) -> Response:
    """What is meant is in the query: a DELETE has no body that proxies would pass on."""
    asking, params = await administrator(request), request.query_params
    given = {
        "handles": params.getlist("handle"),
        "reason": params.get("reason"),
        "all": params.get("all", "") in TRUE,
    }
    try:
        wanted = msgspec.convert(given, Wanted)
    except msgspec.ValidationError as exc:
        raise BadRequest("query", str(exc)) from None
    await _note(asking, "dead_letters.purge", wanted)
    chosen = chosen_by(wanted.handles, wanted.reason)
    return answer(Purged(await asking.service.broker.purge_dead_letters(chosen=chosen)))


async def _list(request: Request) -> Response:
    asking, params = await administrator(request), request.query_params
    limit = whole_number(params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)
    reason = params.get("reason") or None
    reasons: Counter[str] = Counter()
    oldest = Oldest(limit, kept=_item)

    def visit(letter: DeadLetter) -> bool:
        reasons[letter.reason] += 1
        if reason in (None, letter.reason):
            oldest.add(letter)
        return False

    await asking.service.broker.visit_dead_letters(visit)
    return answer(DeadLetterPage(tuple(oldest.items), dict(reasons.most_common()), oldest.more))


async def _note(asking: Administrator, action: str, wanted: Wanted) -> None:
    """Nobody means all of them by leaving something out."""
    if wanted.all == bool(wanted.handles or wanted.reason):
        raise BadRequest("all", "name dead letters by `handles` or `reason`, or say `all`, and not both")
    if not asking.service.broker.connected:  # nothing is noted that cannot be tried
        raise BrokerUnavailable("not connected")
    await asking.note(action, **msgspec.to_builtins(wanted))


def _item(letter: DeadLetter) -> DeadLetterItem:
    return DeadLetterItem(**_fields(letter))


def _shown(letter: DeadLetter) -> DeadLetterShown:
    try:
        return DeadLetterShown(**_fields(letter), body=letter.body.decode())
    except UnicodeDecodeError:
        return DeadLetterShown(**_fields(letter), body_base64=base64.b64encode(letter.body).decode())


def _fields(letter: DeadLetter) -> dict[str, Any]:
    names = ("died_at", "reason", "detail", "routing_key", "content_type", "message_id")
    return {"handle": handle_of(letter)} | {name: getattr(letter, name) for name in names}
