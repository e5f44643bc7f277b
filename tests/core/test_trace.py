"""What a trace says, by the rows that there are: written, not written, or that nobody knows."""

from typing import Any

import msgspec
import pytest

from notify_sse.core.journal import Accepted, Beat, Closed, Found, Gateway, Lagging, Mark, Opened, Row
from notify_sse.core.model import GONE
from notify_sse.core.trace import LATE_MS, SILENT_MS, STALE_S, Verdict, is_open, is_up, read_by, traced

EPOCH = "k3f9a1"
AT = 100
"""The id of the notification, committed at `NOW`."""
NOW = 1_000_000


def found(*, channel: str = "recipient:alice", expires_ms: int = 0) -> Found:
    accepted = Accepted(first=90, last=110, way="amqp", gateway="g1", committed_ms=NOW, announced=True)
    return Found(
        channel=channel, id=AT, type="note", timestamp="", committed_ms=NOW, expires_ms=expires_ms, accepted=accepted
    )


def row(
    position: int,
    closed_at: int | None = None,
    *,
    resumed_at: int = 0,
    opened_ms: int = NOW - 5000,
    epoch: str = EPOCH,
    topics: tuple[str, ...] = (),
    filtered: bool = False,
    gateway: str = "g1",
) -> Row:
    opened = Opened(
        connection_id="c1",
        recipient_id="alice",
        gateway=gateway,
        transport="sse",
        address_hash="",
        topics=topics,
        filtered=filtered,
        epoch=epoch,
        position=position,
        resumed_at=resumed_at,
        opened_ms=opened_ms,
    )
    closed_ms = max(opened_ms, NOW) + 1000
    closed = Closed(connection_id="c1", position=closed_at, closed_ms=closed_ms, reason="client") if closed_at else None
    return Row(opened=opened, closed=closed)


def gateway(
    position: int = 500,
    *,
    age_s: float = 0.5,
    lagging: tuple[Lagging, ...] = (),
    lost: int = 0,
    stopped: bool = False,
    epoch: str = EPOCH,
    beat_ms: int = NOW + 1000,
) -> Gateway:
    beat = Beat(gateway="g1", version="1", epoch=epoch, position=position, lagging=lagging, lost=lost, stopped=stopped)
    return Gateway(beat=beat, began_ms=0, beat_ms=beat_ms, age_s=age_s)


@pytest.mark.parametrize(
    ("connection", "at", "expected"),
    [
        (row(50, 100), gateway(), "written"),
        (row(99, 100), gateway(), "written"),
        (row(50, 99), gateway(), "not_written"),
        (row(100, 200), gateway(), "not_written"),
        (row(100, 200, resumed_at=100), gateway(), "received_before"),
        (row(50), gateway(100), "written"),
        (row(50), gateway(99), "not_yet"),
        (row(50), gateway(500, lagging=(Lagging("c1", 99),)), "not_yet"),
        (row(50), gateway(500, lagging=(Lagging("c1", 100),)), "written"),
        (row(50), gateway(500, lagging=(Lagging("c2", 99),)), "written"),
        (row(50), gateway(99, age_s=STALE_S + 1), "unknown"),
        (row(50), gateway(100, age_s=STALE_S + 1), "written"),
        (row(50), gateway(500, epoch="other"), "not_yet"),
        (row(50), gateway(500, lost=1), "unknown"),
        (row(50, 99), gateway(500, lost=1), "not_written"),
        (row(50, 100), gateway(500, lost=1), "written"),
        (row(50, 100, epoch="other"), gateway(), "unknown"),
        (row(50, 100, filtered=True), gateway(), "unknown"),
        (row(50, 99, filtered=True), gateway(), "not_written"),
    ],
)
def test_a_connection_has_written_what_lies_between_its_ends(connection: Row, at: Gateway, expected: Verdict) -> None:
    """Of one that is open, up to where its gateway is, unless it lags; of a gateway that fell silent, no further."""
    what = traced(found(), [connection], [at], epoch=EPOCH)
    assert [one.verdict for one in what.seen] == [expected]
    assert bool(what.seen[0].why) == (expected == "unknown")


@pytest.mark.parametrize(
    ("opened_ms", "expires_ms", "expected"),
    [
        (NOW - 5000, NOW + 60_000, "written"),
        (NOW + 120_000, NOW + 60_000, "expired"),
        (NOW + 59_000, NOW + 60_000, "unknown"),
        (NOW - 5000, NOW + 500, "unknown"),
    ],
)
def test_what_had_expired_was_passed_over(opened_ms: int, expires_ms: int, expected: Verdict) -> None:
    """Clocks differ: what comes close is not known."""
    what = traced(found(expires_ms=expires_ms), [row(50, 200, opened_ms=opened_ms)], [gateway()], epoch=EPOCH)
    assert what.seen[0].verdict == expected


def test_what_expired_while_it_may_have_waited_is_not_known() -> None:
    """A gateway that was frozen, a replay that waited: it comes to what is over, and passes over it."""
    expires = found(expires_ms=NOW + 5000)
    for beat_ms, verdict in ((NOW + 2000, "written"), (NOW + 9000, "unknown")):
        [seen] = traced(expires, [row(50)], [gateway(beat_ms=beat_ms)], epoch=EPOCH).seen
        assert seen.verdict == verdict, "it had passed it by its gateway's last word"
    later = found(expires_ms=NOW + LATE_MS + 1)
    assert traced(later, [row(50)], [gateway(beat_ms=NOW + 10 * LATE_MS)], epoch=EPOCH).seen[0].verdict == "written"


def test_what_was_recalled_since_may_have_been_passed_over() -> None:
    """Its row does not say any more what stood there; whoever came later got nothing of it."""
    recalled = msgspec.structs.replace(found(), type=GONE, expires_ms=1, recalled_ms=NOW + 60_000)
    erased = msgspec.structs.replace(recalled, recalled_ms=0)
    for what, opened_ms, verdict in (
        (recalled, NOW - 5000, "unknown"),
        (recalled, NOW + 90_000, "recalled"),
        (erased, NOW + 90_000, "unknown"),
    ):
        [seen] = traced(what, [row(50, 200, opened_ms=opened_ms)], [gateway()], epoch=EPOCH).seen
        assert (seen.verdict, bool(seen.why)) == (verdict, verdict == "unknown")
    assert traced(recalled, [row(50, 99)], [gateway()], epoch=EPOCH).seen[0].verdict == "not_written"


def test_only_a_cursor_that_comes_back_proves_that_it_was_received() -> None:
    rows = [row(50, 99), row(99, 150), row(150, resumed_at=150, opened_ms=NOW + 9000), row(160, resumed_at=160)]
    what = traced(found(), rows[:2], [gateway()], epoch=EPOCH)
    assert what.received is None
    what = traced(found(), rows, [gateway()], epoch=EPOCH)
    assert what.received == (160, NOW - 5000), "the earliest"
    other = row(150, resumed_at=150, epoch="other")
    assert traced(found(), [other], [gateway()], epoch=EPOCH).received is None, "of another log"


def test_a_topic_is_read_by_those_who_named_it() -> None:
    rows = [row(50, 200), row(50, 200, topics=("news",))]
    for channel, readers in (("topic:news", 1), ("topic:all", 2), ("topic:sport", 0), ("recipient:alice", 2)):
        assert len(traced(found(channel=channel), rows, [gateway()], epoch=EPOCH).seen) == readers, channel


def test_what_may_be_missing_is_said() -> None:
    """A gateway that lost entries, or that was not heard of again; not one that ended in order."""
    for at, said in (
        (gateway(), ()),
        (gateway(age_s=600, stopped=True), ()),
        (gateway(lost=3), ("could not keep 3 entries",)),
        (gateway(age_s=600), ("last heard of 600 s ago",)),
        (gateway(age_s=600, beat_ms=NOW - SILENT_MS + 1), ("last heard of 600 s ago",)),  # did it live until then?
        (gateway(lost=3, beat_ms=NOW - SILENT_MS - 1), ()),  # it was no more when the notification came
    ):
        unknown = traced(found(), [], [at], epoch=EPOCH).unknown
        assert len(unknown) == len(said)
        assert all(part in one for part, one in zip(said, unknown, strict=True))


def test_a_connection_without_an_end_is_open_as_long_as_its_gateway_is_heard_of() -> None:
    assert is_open(row(50), [gateway()]) is True
    assert is_open(row(50), [gateway(age_s=60)]) is None
    assert is_open(row(50), [gateway(stopped=True)]) is False
    assert is_open(row(50), []) is False
    assert is_open(row(50, 60), [gateway()]) is False


def test_a_gateway_is_up_that_was_heard_of_and_did_not_say_that_it_ends() -> None:
    assert is_up(gateway())
    assert not is_up(gateway(stopped=True))
    assert not is_up(gateway(age_s=STALE_S + 1))


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], None),
        ([("upto", 99, True)], None),
        ([("upto", 100, True), ("upto", 200, True)], 1),
        ([("ids", "other", True), ("ids", "n1", True)], 2),
        ([("upto", 100, True), ("ids", "other", False)], 1),
        ([("upto", 100, True), ("ids", "n1", False)], None),
        ([("ids", "n1", True), ("ids", "n1", False), ("upto", 120, True)], 3),
    ],
)
def test_it_is_read_since_the_mark_that_still_holds(marks: list[tuple[str, Any, bool]], expected: int | None) -> None:
    given = [
        Mark(
            position=place,
            at_ms=place,
            upto=what if kind == "upto" else 0,
            ids=(what,) if kind == "ids" else (),
            read=read,
        )
        for place, (kind, what, read) in enumerate(marks, start=1)
    ]
    by = read_by(found(), "n1", given)
    assert (by and by.position) == expected


def test_a_mark_by_id_is_of_the_recipients_own_and_of_no_topic() -> None:
    """An id may be in several channels; up to a cursor, everything is read."""
    mark = Mark(position=1, at_ms=1, upto=0, ids=("n1",), read=True)
    assert read_by(found(), "n1", [mark])
    assert read_by(found(channel="topic:news"), "n1", [mark]) is None
    assert read_by(found(channel="topic:all"), "n1", [mark]) is None
    assert read_by(found(channel="topic:news"), "n1", [msgspec.structs.replace(mark, upto=100)])


def test_what_died_before_the_notification_came_is_left_out() -> None:
    """Its gateway had been silent for a minute by then, and is none of those that are given."""
    assert traced(found(), [row(50, gateway="dead")], [gateway()], epoch=EPOCH).seen == ()


def test_of_a_gateway_that_is_not_known_nothing_says_that_it_lived_until_then() -> None:
    assert traced(found(), [row(50)], [], epoch=EPOCH).seen == ()
