"""`GET /admin/overview`: what runs where, how far it is, and what waits.

It answers while the database or the broker is away: what is not known then is null.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core import journal
from notify_sse.core.cursor import Cursor
from notify_sse.core.ports import Head, Queued
from notify_sse.core.trace import HEARD_OF_S, is_up
from notify_sse.errors import BrokerUnavailable, StoreUnavailable
from notify_sse.telemetry.metrics import DELIVERY_S
from notify_sse.version import __version__
from notify_sse.web.admin.answers import Time, time_of
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import CursorText, answer
from notify_sse.web.service import Degraded, Service, Unready

T = TypeVar("T")

WAIT_S: Final = 1.5
RESETS: Final = 50
"""So many of the newest are told."""

Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]


class FiguresItem(msgspec.Struct, frozen=True, kw_only=True):
    """How much a process did since `began_at`, as of its last beat: the difference of two looks is a rate. `delivered`:
    how many deliveries were written how long after the commit, for each of `delivered_within_s`, and beyond the last.
    """

    stored: Count
    written: Count
    opened: Count
    closed: Count
    limited: Counts
    resets: Counts
    delivered: tuple[Count, ...]


class GatewayItem(msgspec.Struct, frozen=True, kw_only=True):
    """A process, as of its last beat. `up`; `stopped` in order; or `silent`: it is gone, or cannot reach the database.

    `lag`: how many events the log had that its tail had not; null for one that has not read this log. `lost`: rows of
    the journal that it could not keep.
    """

    gateway: str
    version: str
    state: Literal["up", "silent", "stopped"]
    epoch: str
    position: Count
    streams: Count
    lag: Count | None
    lost: Count
    began_at: Time
    beat_at: Time
    age_s: float
    figures: FiguresItem


class ResetItem(msgspec.Struct, frozen=True, kw_only=True):
    """A connection whose client was told that it may have missed something."""

    at: Time
    recipient_id: str
    connection_id: str
    gateway: str
    reason: str


class Queues(msgspec.Struct, frozen=True):
    """How many messages wait in the ingest queue, and are among the dead letters."""

    ingest: Count
    dead: Count


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """`gateway` and `version` are those of the process that answers, and so are `streams`, `ready` and `degraded`.
    `cursor` is the head of the log. `gateways` are those heard of within the last ten minutes, the busiest first, and
    `resets` the newest of all of them. `delivered_within_s` are the bounds of their figures `delivered`.
    """

    gateway: str
    version: str
    ready: bool
    reason: Unready | UnsetType = UNSET
    degraded: tuple[Degraded, ...]
    streams: Count
    cursor: CursorText | None
    queues: Queues | None
    gateways: tuple[GatewayItem, ...] | None
    resets: tuple[ResetItem, ...] | None
    delivered_within_s: tuple[float, ...]


async def overview(request: Request) -> Response:
    """Within two seconds, whatever is away."""
    service = (await administrator(request)).service
    head, gateways, queued = await asyncio.gather(_known(service.store.head()), gateways_of(service), _queued(service))
    reason = service.unready()
    found = None if head is None or gateways is None else [_item(one, head) for one in gateways]
    return answer(
        Overview(
            gateway=service.gateway,
            version=__version__,
            ready=reason is None,
            reason=reason or UNSET,
            degraded=service.degraded(),
            streams=len(service.registry),
            cursor=None if head is None else str(Cursor(head.epoch, head.position)),
            queues=None if queued is None else Queues(queued.ingest, queued.dead),
            gateways=None if found is None else tuple(sorted(found, key=_busiest_first)),
            resets=None if gateways is None else _resets(gateways),
            delivered_within_s=DELIVERY_S,
        )
    )


async def gateways_of(service: Service) -> list[journal.Gateway] | None:
    """Those heard of within `HEARD_OF_S`, this one included; None when the database does not tell."""
    since_ms = int((time.time() - HEARD_OF_S) * 1000)
    return await _known(service.journal.gateways(since_ms=since_ms))


async def _queued(service: Service) -> Queued | None:
    return await _known(service.broker.queued()) if service.broker.connected else None


async def _known(asked: Awaitable[T]) -> T | None:
    """None when who is asked is away, or takes too long."""
    try:
        async with asyncio.timeout(WAIT_S):
            return await asked
    except (StoreUnavailable, BrokerUnavailable, TimeoutError):
        return None


def _item(gateway: journal.Gateway, head: Head) -> GatewayItem:
    beat = gateway.beat
    ended: Literal["stopped", "silent"] = "stopped" if beat.stopped else "silent"
    return GatewayItem(
        gateway=beat.gateway,
        version=beat.version,
        state="up" if is_up(gateway) else ended,
        epoch=beat.epoch,
        position=beat.position,
        streams=beat.streams,
        lag=beat.lag if beat.epoch == head.epoch else None,
        lost=beat.lost,
        began_at=time_of(gateway.began_ms),
        beat_at=time_of(gateway.beat_ms),
        age_s=round(gateway.age_s, 1),
        figures=FiguresItem(**msgspec.structs.asdict(beat.report.figures)),
    )


def _resets(gateways: Iterable[journal.Gateway]) -> tuple[ResetItem, ...]:
    """The newest first."""
    told = [(one, gateway.beat.gateway) for gateway in gateways for one in gateway.beat.report.resets]
    told.sort(key=_when, reverse=True)
    return tuple(
        ResetItem(
            at=time_of(one.at_ms),
            recipient_id=one.recipient_id,
            connection_id=one.connection_id,
            gateway=gateway,
            reason=one.reason,
        )
        for one, gateway in told[:RESETS]
    )


def _when(told: tuple[journal.ResetTold, str]) -> int:
    return told[0].at_ms


def _busiest_first(item: GatewayItem) -> tuple[bool, int, str]:
    return item.state != "up", -item.streams, item.gateway
