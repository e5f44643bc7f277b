"""What became of a notification: read out of the journal's rows, by the rules of the log and the cursor. Pure.

A connection has written everything on its channels between the position where it was opened and the one where it ended.
A client that comes back with a cursor has received everything up to it: nothing else proves that. What the rows do not
tell is said to be unknown, and never guessed.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from notify_sse.core.channels import EVERYONE, named_topics
from notify_sse.core.journal import Found, Gateway, Mark, Row
from notify_sse.core.model import GONE

STALE_S: Final = 5.0
"""A gateway that was not heard of for so long is gone, or cannot reach the database."""
HEARD_OF_S: Final = 600.0
"""Gateways that were last heard of before are told no more: one that was killed and replaced must not be a warning for
long. It is long enough for whoever an alert calls to see which one it was.
"""
SILENT_MS: Final = 60_000
CLOCKS_MS: Final = 2000
"""By how much the clocks of gateways and database may differ, and how late a row may be."""
LATE_MS: Final = 60_000
"""How long after it could be written it may be written at the latest: a frozen gateway, a replay that waits."""

Verdict = Literal["written", "not_written", "not_yet", "expired", "recalled", "received_before", "unknown"]
"""`written`: put on this connection. `not_written`: it ended before, or began after it without a cursor. `not_yet`: it
is open, and its client is slow or a replay is under way. `expired`, `recalled`: its time was over, or it was taken
back, when this connection began. `received_before`: the client brought a cursor beyond it.
"""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of the recipient, and what it did with the notification. `why`: what an `unknown` is due to."""

    row: Row
    verdict: Verdict
    why: str = ""


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """A notification, every connection of the recipient since it was committed, and what cannot be known.

    `received`: a client of the recipient came back with a cursor at or beyond it: the position, and when.
    """

    found: Found
    gateways: tuple[Gateway, ...]
    seen: tuple[Seen, ...]
    received: tuple[int, int] | None
    unknown: tuple[str, ...]


def traced(found: Found, rows: Sequence[Row], gateways: Iterable[Gateway], *, epoch: str) -> Traced:
    """`rows`: connections of one recipient that have not ended, or ended since the notification was committed, the
    oldest first. `gateways`: all that were heard of since `SILENT_MS` before. `epoch`: of the log now.

    A connection without an end whose gateway had been silent for so long by then died with it, before.
    """
    by_name = {one.beat.gateway: one for one in gateways}
    reading = [
        row for row in rows if _reads(row, found.channel) and (row.closed is not None or row.opened.gateway in by_name)
    ]
    seen = tuple(_seen(row, found, by_name.get(row.opened.gateway), epoch=epoch) for row in reading)
    proofs = [
        (row.opened.resumed_at, row.opened.opened_ms)
        for row in reading
        if row.opened.epoch == epoch and row.opened.resumed_at >= found.id
    ]
    return Traced(
        found=found,
        gateways=tuple(by_name.values()),
        seen=seen,
        received=min(proofs, key=_when, default=None),
        unknown=tuple(_gaps(found, by_name)),
    )


def read_by(found: Found, notification_id: str, marks: Iterable[Mark]) -> Mark | None:
    """By which of `marks`, those of the recipient since it was committed in their order, it is read; None: by none."""
    by: Mark | None = None
    for mark in marks:
        named = notification_id in mark.ids and named_topics([found.channel]) == () and found.channel != EVERYONE
        if not mark.read:
            by = None if named else by
        elif by is None and (named or mark.upto >= found.id):
            by = mark
    return by


def _when(proof: tuple[int, int]) -> int:
    return proof[1]


def _reads(row: Row, channel: str) -> bool:
    topics = named_topics([channel])
    return channel == EVERYONE or not topics or topics[0] in row.opened.topics


def _seen(row: Row, found: Found, gateway: Gateway | None, *, epoch: str) -> Seen:
    verdict, why = _verdict(row, found, gateway, epoch=epoch)
    return Seen(row=row, verdict=verdict, why=why)


def is_open(row: Row, gateways: Iterable[Gateway]) -> bool | None:
    """Whether a connection is open now; None when its gateway was not heard of for a while, so that nobody knows."""
    if row.closed is not None:
        return False
    gateway = next((one for one in gateways if one.beat.gateway == row.opened.gateway), None)
    if gateway is None or gateway.beat.stopped:
        return False
    return None if _silent(gateway) else True


def _verdict(row: Row, found: Found, gateway: Gateway | None, *, epoch: str) -> tuple[Verdict, str]:
    opened = row.opened
    if opened.epoch != epoch:
        return "unknown", "the log has another epoch since: it was restored, or given a new one"
    if opened.position >= found.id:
        return ("received_before", "") if opened.resumed_at >= found.id else ("not_written", "")
    reached, certain = _reached(row, gateway)
    if reached >= found.id:
        return _passed(row, found, gateway)
    if not certain:
        return "unknown", "its gateway was not heard of since, or lost entries: it died, or cannot reach the database"
    return ("not_written", "") if row.closed else ("not_yet", "")


def _passed(row: Row, found: Found, gateway: Gateway | None) -> tuple[Verdict, str]:
    """Of a connection that has passed the notification: at the latest when it ended, or when its gateway said so."""
    opened_ms = row.opened.opened_ms
    if row.opened.filtered:
        return "unknown", "it asked for some types only"
    if found.type == GONE:
        if found.recalled_ms and opened_ms - CLOCKS_MS > found.recalled_ms:
            return "recalled", ""
        return "unknown", "it was recalled or erased since, perhaps before this connection came to it"
    by_ms = row.closed.closed_ms if row.closed else gateway.beat_ms if gateway else 0
    latest_ms = min(by_ms + CLOCKS_MS, max(opened_ms, found.committed_ms) + LATE_MS)
    if not found.expires_ms or latest_ms < found.expires_ms:
        return "written", ""
    if opened_ms - CLOCKS_MS > found.expires_ms:
        return "expired", ""
    return "unknown", "its time was over at about the same moment"


def _reached(row: Row, gateway: Gateway | None) -> tuple[int, bool]:
    """Up to which position it has written at least, and whether that is all there is to know."""
    if row.closed is not None:
        return row.closed.position, True
    assert gateway is not None, "a row without an end is left out when its gateway is not known"
    beat = gateway.beat
    if beat.lost:  # the row's end may be among what was lost
        return row.opened.position, False
    lagging = next((one.position for one in beat.lagging if one.connection_id == row.opened.connection_id), None)
    reached = beat.position if lagging is None else lagging
    return (reached if beat.epoch == row.opened.epoch else row.opened.position), not _silent(gateway)


def is_up(gateway: Gateway) -> bool:
    """Whether it was heard of just now, and has not said that it ends."""
    return not (gateway.beat.stopped or _silent(gateway))


def _silent(gateway: Gateway) -> bool:
    return gateway.age_s > STALE_S


def _gaps(found: Found, gateways: dict[str, Gateway]) -> Iterable[str]:
    """What may be missing among the rows."""
    for name, gateway in sorted(gateways.items()):
        if gateway.beat_ms + SILENT_MS < found.committed_ms:
            continue  # it was no more when the notification came
        if gateway.beat.lost:
            yield f"gateway {name} could not keep {gateway.beat.lost} entries: connections of it may be missing"
        elif _silent(gateway) and not gateway.beat.stopped:
            yield f"gateway {name} was last heard of {gateway.age_s:.0f} s ago: what it did since is not known"
