"""When a connection is looked at: for its heartbeat, and for a stall only while its client keeps us waiting."""

from unittest.mock import Mock

from notify_sse.core.cursor import Cursor
from notify_sse.core.stream import Stream
from notify_sse.gateway.connection import NEVER, Connection, Due
from notify_sse.gateway.deadlines import Deadlines

HEARTBEAT_S = 60.0
STALL_S = 10.0


def _watched(now: float) -> tuple[Deadlines, Connection]:
    deadlines = Deadlines(heartbeat_s=HEARTBEAT_S, stall_s=STALL_S)
    stream = Stream(("topic:all",), Cursor("e", 0), generation=1)
    connection = Connection(stream, Mock(), connection_id="c", recipient_id="alice")
    connection.timing.begin(now, last_sent=now, ends_at=NEVER)
    deadlines.watch(connection, now)
    return deadlines, connection


def _falls_due(deadlines: Deadlines, *, since: float, until: float) -> list[tuple[float, int]]:
    """What is due, looked for ten times a second."""
    moments = [since + 0.1 * step for step in range(int((until - since) * 10) + 1)]
    return [(at, due) for at in moments for _, due in deadlines.due(at)]


def test_a_stall_is_found_in_time() -> None:
    """Long before the next look that its heartbeat needs."""
    deadlines, connection = _watched(100)
    deadlines.wait(connection, 105)
    assert _falls_due(deadlines, since=105, until=114.9) == []
    at, due = _falls_due(deadlines, since=114.9, until=116)[0]
    assert due == Due.STALL
    assert 115 < at <= 115.3


def test_a_client_that_goes_on_is_not_stalled() -> None:
    """It is looked at once for it, and then for its heartbeat."""
    deadlines, connection = _watched(100)
    deadlines.wait(connection, 105)
    connection.timing.wrote(106)
    at, due = _falls_due(deadlines, since=106, until=170)[0]
    assert due == Due.HEARTBEAT
    assert 166 <= at <= 166.3


def test_waiting_again_and_again_takes_no_more_places() -> None:
    """A slow client keeps us waiting a thousand times a second: each time a place would be memory for `stall_s`."""
    deadlines, connection = _watched(100)
    for millisecond in range(5000):
        deadlines.wait(connection, 105 + millisecond / 1000)
        connection.timing.wrote(105 + millisecond / 1000)
    assert sum(map(len, deadlines._buckets.values())) == 2


def test_a_stream_on_which_nothing_waits_is_looked_at_for_its_heartbeat_alone() -> None:
    deadlines, _ = _watched(100)
    looked = 0
    for tenth in range(int(HEARTBEAT_S) * 10 - 1):
        looked += len(list(deadlines._take_due(100 + tenth / 10)))
    assert looked == 0


def test_one_that_closes_has_so_long_for_its_last_word() -> None:
    deadlines, connection = _watched(100)
    connection.close("drain")
    deadlines.wait(connection, 101)
    at, due = _falls_due(deadlines, since=101, until=120)[0]
    assert due == Due.STALL
    assert 111 < at <= 111.3
