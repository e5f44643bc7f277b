"""`/admin/revocations`: takes tokens back, of one subject or a single one; lists what is in force, and undoes it."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core.access import RevokedKind
from notify_sse.core.parse import MAX_RECIPIENT_BYTES
from notify_sse.errors import BadRequest
from notify_sse.web.admin.answers import RevocationItem, RevocationPage
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import answer
from notify_sse.web.http.body import read_body
from notify_sse.web.http.query import INTEGER, newest_first

MAX_BODY_BYTES: Final = 16_384
MAX_VALUE_CHARS: Final = 1024
MAX_REASON_CHARS: Final = 500
BY_ADMINISTRATORS: Final[tuple[RevokedKind, ...]] = ("sub", "jti")
"""The kinds that are listed. The ends of sessions are many, and go by themselves."""


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be revoked: all tokens of a subject that were issued until now, or one token by its `jti`."""

    sub: Annotated[str, Meta(min_length=1, max_length=MAX_RECIPIENT_BYTES)] | UnsetType = UNSET
    jti: Annotated[str, Meta(min_length=1, max_length=MAX_VALUE_CHARS)] | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] | None = None


async def revocations(request: Request) -> Response:
    """POST revokes, GET lists. One route, so that `Allow` names both."""
    return await (_create if request.method == "POST" else _list)(request)


async def revocation(request: Request) -> Response:
    """DELETE takes one back: tokens that it refused are good again, as far as no other refuses them."""
    asking = await administrator(request)
    given = request.path_params["revocation_id"]
    if not INTEGER.fullmatch(given):
        raise HTTPException(404, "an id is a whole number")
    change = asking.change("revocation.undo", given)
    if await asking.service.revocations.undo(int(given), change=change) is None:
        raise HTTPException(404, "there is no such revocation in force")
    return Response(status_code=204)


async def _create(request: Request) -> Response:
    asking = await administrator(request)
    raw = await read_body(request, max_bytes=MAX_BODY_BYTES)
    try:
        wanted = msgspec.json.decode(raw, type=Wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadRequest("body", str(exc)) from None
    kind, value = _named(wanted)
    reason = wanted.reason or ""
    made = await asking.service.revocations.revoke(
        kind,
        value,
        reason=reason,
        who=asking.who,
        change=asking.change("revocation.create", value, kind=kind, reason=reason),
    )
    return answer(RevocationItem.of(made), status=201)


def _named(wanted: Wanted) -> tuple[RevokedKind, str]:
    if (wanted.sub is UNSET) == (wanted.jti is UNSET):
        raise BadRequest("body", "must have exactly one of sub and jti")
    return ("sub", wanted.sub) if wanted.sub is not UNSET else ("jti", str(wanted.jti))


async def _list(request: Request) -> Response:
    asking = await administrator(request)
    before, limit = newest_first(request.query_params)
    found = await asking.service.records.revocations(BY_ADMINISTRATORS, before=before, limit=limit + 1)
    return answer(RevocationPage(tuple(RevocationItem.of(one) for one in found[:limit]), len(found) > limit))
