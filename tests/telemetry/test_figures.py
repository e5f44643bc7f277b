"""The figures of a process for its beat: as its metrics have them, and of this process alone."""

from notify_sse.core.ports import Stored
from notify_sse.telemetry.figures import figures_of
from notify_sse.telemetry.metrics import DELIVERY_S, Metrics


def test_they_are_what_was_counted() -> None:
    metrics = Metrics()
    metrics.count_appended([Stored("new", 1), Stored("duplicate", 1), Stored("new", 2)])
    metrics.frames_sent.inc(5)
    metrics.streams_opened["sse"].inc(2)
    metrics.streams_opened["websocket"].inc()
    metrics.streams_closed["drain"].inc()
    metrics.limited.labels("connects_per_address").inc(4)
    metrics.resets.labels("expired").inc()
    metrics.since_committed.note(0.003, 7)
    metrics.refresh()
    metrics.since_committed.note(1000.0)
    metrics.since_committed.note(0.003)
    found = figures_of(metrics)
    assert (found.stored, found.written, found.opened, found.closed) == (2, 5, 3, 1)
    assert found.limited == {"connects_per_address": 4}
    assert found.resets == {"expired": 1, "unknown_epoch": 0, "ahead_of_log": 0}
    assert len(found.delivered) == len(DELIVERY_S) + 1
    assert {place: count for place, count in enumerate(found.delivered) if count} == {2: 8, len(DELIVERY_S): 1}


def test_a_process_that_did_nothing_says_so() -> None:
    found = figures_of(Metrics())
    assert (found.stored, found.written, sum(found.resets.values()), sum(found.delivered)) == (0, 0, 0, 0)
