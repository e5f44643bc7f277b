"""What both stores decide alike about the journal: which columns there are, and what a row of them means. Pure."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from notify_sse.core.journal import Accepted, Beat, Closed, Entries, Found, Gateway, Lagging, Mark, Opened, Report, Row
from notify_sse.store.batch import sought_text

MAX_FOUND: Final = 20
ACCEPTED: Final = "first, last, way, gateway, committed_ms, announced"
GATEWAY: Final = "gateway, version, epoch, position, lagging, lost, stopped, streams, lag, report, began_ms, beat_ms"
FOUND: Final = """
    found.channel, found.id, found.type, found.body, found.created_ms, found.expires_ms,
    CASE WHEN found.type = '!gone' THEN (
        SELECT min(told.created_ms) FROM log AS told
         WHERE told.channel = found.channel AND told.id > found.id
           AND told.type = '!recalled' AND told.erases = found.id)
    END
"""
"""Of what was recalled, also when: the event that tells of it stands in the same channel."""
CONNECTION: Final = (
    "id, recipient, gateway, transport, address_hash, topics, filtered, epoch, position, resumed_at, opened_ms, "
    "closed_position, closed_ms, reason"
)
_decode_report = msgspec.json.Decoder(Report).decode
_decode_lagging = msgspec.json.Decoder(tuple[Lagging, ...]).decode


class _Body(msgspec.Struct):
    timestamp: str = ""


class _Marked(msgspec.Struct):
    upto: str | None = None
    ids: tuple[str, ...] | None = None
    read: bool = True


_decode_mark = msgspec.json.Decoder(_Marked).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def opened(entries: Entries) -> list[Sequence[Any]]:
    """The rows of connections that were opened; with their end, where that came since."""
    ends = {one.connection_id: one for one in entries.closed}
    return [
        (
            one.connection_id,
            sought_text(one.recipient_id),
            one.gateway,
            one.transport,
            one.address_hash,
            ",".join(one.topics),
            one.filtered,
            one.epoch,
            one.position,
            one.resumed_at,
            one.opened_ms,
            *_end(ends.get(one.connection_id)),
        )
        for one in entries.opened
    ]


def _end(closed: Closed | None) -> Sequence[Any]:
    return (None, None, None) if closed is None else (closed.position, closed.closed_ms, closed.reason)


def closed(entries: Entries) -> list[Sequence[Any]]:
    """Of connections that ended, those whose row is there already: id, position, time, reason."""
    new = {one.connection_id for one in entries.opened}
    return [
        (one.connection_id, one.position, one.closed_ms, one.reason)
        for one in entries.closed
        if one.connection_id not in new
    ]


def accepted(entries: Entries) -> list[Sequence[Any]]:
    """The rows of accepted runs, each first id once: a log that went back uses ids again, and the last one stands."""
    return list({one.first: msgspec.structs.astuple(one) for one in entries.accepted}.values())


def erased(entries: Entries) -> list[Sequence[Any]]:
    """For `ERASE` in each adapter: whose connections of which gateway are not kept, and until when they were opened."""
    return [(sought_text(one.recipient_id), entries.beat.gateway, one.until_ms) for one in entries.erased]


def beat(one: Beat) -> Sequence[Any]:
    """The row of a gateway, without its times."""
    lagging, report = (msgspec.json.encode(what).decode() for what in (one.lagging, one.report))
    place = (one.gateway, one.version, one.epoch, one.position)
    return (*place, lagging, one.lost, one.stopped, one.streams, one.lag, report)


def gateway(row: Sequence[Any]) -> Gateway:
    """From `GATEWAY` and the age of its beat in ms."""
    name, version, epoch, position, lagging, lost, stopped, streams, lag, report, began_ms, beat_ms, age_ms = row
    heard = Beat(
        gateway=name,
        version=version,
        epoch=epoch,
        position=position,
        lagging=_decode_lagging(lagging),
        lost=lost,
        stopped=bool(stopped),
        streams=streams,
        lag=lag,
        report=_decode_report(report),
    )
    return Gateway(beat=heard, began_ms=began_ms, beat_ms=beat_ms, age_s=max(0.0, age_ms / 1000))


def row(values: Sequence[Any]) -> Row:
    """From `CONNECTION`."""
    given = dict(zip(CONNECTION.split(", "), values, strict=True))
    closed_ms, position, reason = (given.pop(name) for name in ("closed_ms", "closed_position", "reason"))
    connection_id, recipient, topics = given.pop("id"), bytes(given.pop("recipient")), given.pop("topics")
    given["filtered"] = bool(given["filtered"])
    opened = Opened(
        connection_id=connection_id,
        recipient_id=recipient.decode("utf-8", "replace"),
        topics=tuple(topics.split(",")) if topics else (),
        **given,
    )
    if closed_ms is None:
        return Row(opened=opened, closed=None)
    closed = Closed(connection_id=connection_id, position=position, closed_ms=closed_ms, reason=reason)
    return Row(opened=opened, closed=closed)


def found(event: Sequence[Any], runs: Sequence[Sequence[Any]]) -> Found:
    """From a row of the log, and the run of accepted notifications that begins nearest before it."""
    channel, place, kind, body, committed_ms, expires_ms, recalled_ms = event
    ways = [dict(zip(ACCEPTED.split(", "), one, strict=True)) for one in runs if one[0] <= place <= one[1]]
    return Found(
        channel=bytes(channel).decode(),
        id=place,
        type=kind,
        timestamp=_timestamp(bytes(body)),
        committed_ms=committed_ms,
        expires_ms=expires_ms,
        accepted=Accepted(**{**ways[0], "announced": bool(ways[0]["announced"])}) if ways else None,
        recalled_ms=recalled_ms or 0,
    )


def mark(event: Sequence[Any]) -> Mark:
    """From the position, the time and the body of an event that tells of it."""
    place, at_ms, body = event
    told = _decode_mark(bytes(body))
    upto = int(told.upto.rpartition(".")[2]) if told.upto else 0
    return Mark(position=place, at_ms=at_ms, upto=upto, ids=told.ids or (), read=told.read)


def _timestamp(body: bytes) -> str:
    """When it was published, by its own word. An event without a body has none."""
    try:
        return _decode_body(body).timestamp
    except msgspec.DecodeError:
        return ""
