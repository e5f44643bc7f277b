"""`GET /admin/streams` and `DELETE /admin/connections/{connection_id}`: who holds most streams, and ending one."""

from collections import Counter
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core.journal import Gateway
from notify_sse.core.model import Ending
from notify_sse.core.trace import is_up
from notify_sse.web.admin.asking import administrator
from notify_sse.web.admin.overview import gateways_of
from notify_sse.web.http.answers import answer
from notify_sse.web.http.query import whole_number
from notify_sse.web.service import Service

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 500

Count = Annotated[int, Meta(ge=0)]


class RecipientStreams(msgspec.Struct, frozen=True):
    """How many streams one recipient has open."""

    recipient_id: str
    streams: Count


class StreamsAnswer(msgspec.Struct, frozen=True):
    """Who holds most streams, the busiest first: of the process that answers, `gateway`, all that it has; of each other
    of `gateways` its twenty busiest. `streams` are those of all of them together. `complete`: the journal
    tells of the others; otherwise it is the process that answers alone.
    """

    gateway: str
    gateways: tuple[str, ...]
    complete: bool
    streams: Count
    items: tuple[RecipientStreams, ...]


class EndedAnswer(msgspec.Struct, frozen=True):
    """`here`: the connection was one of this process, and ends. `told`: every other process was told to end it."""

    connection_id: str
    ended: Literal["here", "told"]


async def streams(request: Request) -> Response:
    """Who holds most streams, of all gateways."""
    service = (await administrator(request)).service
    limit = whole_number(request.query_params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)
    others = await _others(service)
    held = Counter(one.recipient_id for one in service.registry.connections())
    total = held.total()
    for one in others or ():
        total += one.beat.streams
        held.update({holder.recipient_id: holder.streams for holder in one.beat.report.holders})
    return answer(
        StreamsAnswer(
            gateway=service.gateway,
            gateways=(service.gateway, *(one.beat.gateway for one in others or ())),
            complete=others is not None and service.gateway != "",
            streams=total,
            items=tuple(RecipientStreams(name, number) for name, number in held.most_common(limit)),
        )
    )


async def _others(service: Service) -> list[Gateway] | None:
    """The other gateways that are up; None when the journal cannot be asked."""
    found = await gateways_of(service)
    return found and [one for one in found if is_up(one) and one.beat.gateway != service.gateway]


async def end(request: Request) -> Response:
    """Ends one connection as `drain`, in whichever process it is: its client comes back, unless it is revoked too.

    The journal gives a connection more than one row where the log broke off, as `<connection_id>.<number>`.
    """
    asking = await administrator(request)
    connection_id = request.path_params["connection_id"].partition(".")[0]
    service = asking.service
    if not service.tell_others and not any(one.id == connection_id for one in service.registry):
        raise HTTPException(404, "there is no such connection")
    await asking.note("connection.end", connection_id)
    if service.registry.end_one(connection_id):
        return answer(EndedAnswer(connection_id, "here"))
    if service.tell_others:
        service.tell_others(Ending(connection_id).encode())
    return answer(EndedAnswer(connection_id, "told"), status=202)
