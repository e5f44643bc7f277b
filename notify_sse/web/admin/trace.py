"""`GET /admin/notifications/{notification_id}` and `GET /admin/recipients/{recipient_id}/connections`: what became of a
notification, and when a recipient was connected. Out of the journal, so whichever process is asked answers for all.

`notify-sse trace` and `notify-sse connections` give the same answers.
"""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core.channels import recipient_channel
from notify_sse.core.journal import Accepted, Found, Gateway, Journal, Mark, Row
from notify_sse.core.model import GONE
from notify_sse.core.ports import Broker, DeadLetter
from notify_sse.core.trace import CLOCKS_MS, SILENT_MS, Traced, Verdict, is_open, read_by, traced
from notify_sse.errors import BrokerUnavailable
from notify_sse.web.admin.answers import time_of
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import answer

MAX_CONNECTIONS: Final = 200
MAX_DEAD_LETTERS: Final = 500
MAX_MARKS: Final = 1000
BROKER_S: Final = 1.5
RECIPIENT, TOPIC = "recipient:", "topic:"
NO_HISTORY: Final = "whether it was read through the history, which leaves no trace"


class ConnectionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A connection of a recipient. It has written all that it reads between the two cursors. `resumed_from`: the cursor
    that its client brought, and has received all up to. `filtered`: it asked for some types only.
    """

    connection_id: str
    gateway: str
    transport: str
    address_hash: str
    topics: tuple[str, ...]
    filtered: bool
    opened_at: str
    opened_cursor: str
    resumed_from: str | None
    open: bool | None
    closed_at: str | None
    closed_cursor: str | None
    closed_reason: str | None


class TracedConnection(ConnectionAnswer, frozen=True, kw_only=True):
    """`written`: whether the notification was put on it; null when that is not known, and `why` says why not."""

    written: bool | None
    state: Verdict
    why: str | UnsetType = UNSET


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """By which way it came, and which gateway took it. `announced`: whether it was told to the other gateways at once;
    they find it in the log within a second otherwise.
    """

    way: str
    at: str
    gateway: str
    announced: bool


class Proof(msgspec.Struct, frozen=True):
    """A client came back with this cursor: it has received all up to it."""

    cursor: str
    at: str


class ReadMark(msgspec.Struct, frozen=True):
    """The recipient marked it as read; `cursor` is that of the event which tells of the mark."""

    cursor: str
    at: str


class TraceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in the log. Recipient or topic is the one that it was published for."""

    recipient_id: str | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    notification_type: str
    timestamp: str
    accepted: Acceptance | None
    cursor: str
    committed_at: str
    expires_at: str | None
    received: Proof | None
    read: ReadMark | None
    connections: tuple[TracedConnection, ...]


class RefusedItem(msgspec.Struct, frozen=True):
    """A dead letter with this notification_id."""

    reason: str
    detail: str
    at: str


class TraceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a notification: its places in the log, the dead letters with its id, and what is not known."""

    notification_id: str
    state: Literal["stored", "refused", "not_found"]
    items: tuple[TraceItem, ...]
    refused: tuple[RefusedItem, ...]
    unknown: tuple[str, ...]


class ConnectionsAnswer(msgspec.Struct, frozen=True):
    """The newest connections of a recipient, the newest first. With `more`, there were more."""

    recipient_id: str
    items: tuple[ConnectionAnswer, ...]
    more: bool


async def notification(request: Request) -> Response:
    """What became of one notification. `recipient_id`: of it for this recipient only."""
    service = (await administrator(request)).service
    to = request.query_params.get("recipient_id")
    found = await trace(service.journal, service.broker, request.path_params["notification_id"], to=to)
    return answer(found, status=200 if found.state != "not_found" else 404)


async def connections(request: Request) -> Response:
    """When, from where and for how long a recipient was connected."""
    service = (await administrator(request)).service
    return answer(await connections_of(service.journal, request.path_params["recipient_id"]))


async def trace(journal: Journal, broker: Broker | None, notification_id: str, *, to: str | None) -> TraceAnswer:
    """What became of `notification_id`, within two seconds. Raises `StoreUnavailable`.

    `to`: of it for this recipient only. `broker` None: it is inside another process.
    """
    (refused, away), found = await asyncio.gather(
        _refused(broker, notification_id), _found(journal, notification_id, to)
    )
    epoch = await journal.epoch()
    items, unknown = [], list(away)
    for one in found:
        recipient_id = to or (None if one.channel.startswith(TOPIC) else one.channel.removeprefix(RECIPIENT))
        told, gaps = await _told(journal, one, recipient_id, notification_id, epoch=epoch)
        items.append(told)
        unknown += gaps
    state: Literal["stored", "refused", "not_found"] = "refused" if refused else "not_found"
    return TraceAnswer(
        notification_id=notification_id,
        state="stored" if items else state,
        items=tuple(items),
        refused=refused,
        unknown=tuple(dict.fromkeys([*unknown, *([NO_HISTORY] if items else [])])),
    )


async def _found(journal: Journal, notification_id: str, to: str | None) -> list[Found]:
    """Where the log has it; with `to`, for this recipient and on topics. The recipient's channel is asked for by its
    name: an id may be on any number of channels, and only some of those are found without one.
    """
    found = await journal.find(notification_id, None)
    if to is None:
        return found
    own = await journal.find(notification_id, recipient_channel(to))
    return sorted([*own, *(one for one in found if one.channel.startswith(TOPIC))], key=lambda one: one.id)


async def _told(
    journal: Journal, found: Found, recipient_id: str | None, notification_id: str, *, epoch: str
) -> tuple[TraceItem, Sequence[str]]:
    if recipient_id is None:
        return _item(found, None, None, epoch=epoch), ["who has read the topic: name a recipient"]
    since_ms = found.committed_ms
    rows = await journal.since(recipient_id, since_ms=since_ms - CLOCKS_MS, limit=MAX_CONNECTIONS + 1)
    gateways = await journal.gateways(since_ms=since_ms - SILENT_MS)
    what = traced(found, rows[:MAX_CONNECTIONS], gateways, epoch=epoch)
    gaps = [*what.unknown]
    if len(rows) > MAX_CONNECTIONS:
        gaps.append(f"connections after the first {MAX_CONNECTIONS}")
    marks = await journal.marks(recipient_id, after=found.id, limit=MAX_MARKS)
    if len(marks) == MAX_MARKS:
        gaps.append(f"whether it was marked as read after the first {MAX_MARKS} marks")
    if not gateways:
        gaps.append("whether anybody was connected: no gateway keeps a journal (NOTIFY_SSE_JOURNAL)")
    if found.accepted is None:
        gaps.append("by which way it was accepted: the gateway that took it has not noted it, or not yet")
    return _item(found, what, read_by(found, notification_id, marks), epoch=epoch), gaps


async def _refused(broker: Broker | None, notification_id: str) -> tuple[tuple[RefusedItem, ...], Sequence[str]]:
    """The dead letters with this id; and what is not known of them."""
    if broker is None:
        return (), ["whether it is among the dead letters, which are inside the service: its log tells"]
    if not broker.connected:
        return (), ["whether it is among the dead letters: the broker is away"]
    refused: list[RefusedItem] = []
    looked_at = itertools.count(1)

    def visit(letter: DeadLetter) -> bool:
        if notification_id in (letter.message_id, _id_in(letter)):
            refused.append(RefusedItem(letter.reason, letter.detail, letter.died_at))
        return next(looked_at) == MAX_DEAD_LETTERS

    try:
        async with asyncio.timeout(BROKER_S):
            await broker.visit_dead_letters(visit)
    except (BrokerUnavailable, TimeoutError):
        return (), ["whether it is among the dead letters: the broker does not answer"]
    more = next(looked_at) > MAX_DEAD_LETTERS
    return tuple(refused), [f"whether it is among the dead letters after the first {MAX_DEAD_LETTERS}"] if more else []


class _Named(msgspec.Struct):
    notification_id: Any = None


def _id_in(letter: DeadLetter) -> object:
    try:
        return msgspec.json.decode(letter.body, type=_Named).notification_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


async def connections_of(journal: Journal, recipient_id: str) -> ConnectionsAnswer:
    """The newest connections of a recipient. Raises `StoreUnavailable`."""
    rows = await journal.newest(recipient_id, limit=MAX_CONNECTIONS + 1)
    gateways = await journal.gateways(since_ms=0)
    items = tuple(ConnectionAnswer(**_connection(row, gateways)) for row in rows[:MAX_CONNECTIONS])
    return ConnectionsAnswer(recipient_id, items, len(rows) > MAX_CONNECTIONS)


def _item(found: Found, what: Traced | None, mark: Mark | None, *, epoch: str) -> TraceItem:
    is_topic = found.channel.startswith(TOPIC)
    received = what.received if what else None
    return TraceItem(
        recipient_id=UNSET if is_topic else found.channel.removeprefix(RECIPIENT),
        topic=found.channel.removeprefix(TOPIC) if is_topic else UNSET,
        notification_type=found.type,
        timestamp=found.timestamp,
        accepted=_acceptance(found.accepted) if found.accepted else None,
        cursor=f"{epoch}.{found.id}",
        committed_at=time_of(found.committed_ms),
        expires_at=time_of(found.expires_ms) if found.expires_ms and found.type != GONE else None,
        received=received and Proof(f"{epoch}.{received[0]}", time_of(received[1])),
        read=ReadMark(f"{epoch}.{mark.position}", time_of(mark.at_ms)) if mark else None,
        connections=tuple(
            TracedConnection(
                **_connection(one.row, what.gateways),
                written={"written": True, "unknown": None}.get(one.verdict, False),
                state=one.verdict,
                why=one.why or UNSET,
            )
            for one in what.seen
        )
        if what
        else (),
    )


def _acceptance(accepted: Accepted) -> Acceptance:
    return Acceptance(
        way=accepted.way, at=time_of(accepted.committed_ms), gateway=accepted.gateway, announced=accepted.announced
    )


def _connection(row: Row, gateways: Sequence[Gateway]) -> dict[str, Any]:
    opened, closed = row.opened, row.closed
    return {
        "connection_id": opened.connection_id,
        "gateway": opened.gateway,
        "transport": opened.transport,
        "address_hash": opened.address_hash,
        "topics": opened.topics,
        "filtered": opened.filtered,
        "opened_at": time_of(opened.opened_ms),
        "opened_cursor": f"{opened.epoch}.{opened.position}",
        "resumed_from": f"{opened.epoch}.{opened.resumed_at}" if opened.resumed_at else None,
        "open": is_open(row, gateways),
        "closed_at": closed and time_of(closed.closed_ms),
        "closed_cursor": closed and f"{opened.epoch}.{closed.position}",
        "closed_reason": closed and closed.reason,
    }
