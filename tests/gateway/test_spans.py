"""The spans of deliveries: one for each trace, never for a stream; told once all that were woken have been served."""

from collections.abc import Sequence

import pytest

from notify_sse.core.frames import Frame, frame
from notify_sse.core.model import Announcement, Event
from notify_sse.core.stream import Stream
from notify_sse.gateway.delivery_times import DeliveryTimes
from notify_sse.gateway.relay import Relay
from notify_sse.telemetry.otel import delivering
from notify_sse.telemetry.otel.delivering import DeliverySpans
from tests.gateway.relays import Bench as RelayBench
from tests.support.doubles import metrics
from tests.support.polling import until
from tests.support.spans import PARENT, Recorder, attributes, parent_of, sent, traces_of


class Bench:
    """What hears announcements and writes, and a tail that reaches `position`."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.position = 0
        self.spans = DeliverySpans(self.recorder.tracer, position=lambda: self.position)
        self.times = DeliveryTimes(metrics(), self.spans)

    def write(self, *places: int, streams: int = 1) -> None:
        for _ in range(streams):
            self.times.note(frames(*places), opened_at=0)

    @property
    def told(self) -> list[tuple[int, object]]:
        """The trace of each span, and how many deliveries it has."""
        spans = self.recorder.spans("deliver")
        return [
            (trace, attributes(span)["notify_sse.deliveries"])
            for trace, span in zip(traces_of(spans), spans, strict=True)
        ]


def frames(*places: int) -> Sequence[Frame]:
    return [frame(Event(place, "topic:all", "note", b"{}"), "e0") for place in places]


def test_a_broadcast_is_one_span_however_many_slices_it_takes() -> None:
    """Told when the last of those that were woken has been served."""
    bench = Bench()
    bench.spans.heard([(1, sent(1))])
    bench.position = 1
    for _ in range(3):
        bench.write(1, streams=64)
        bench.times.settle()
        assert bench.told == []
    bench.write(1, streams=8)
    bench.times.settle(served=True)
    assert bench.told == [(1, 200)]
    span = bench.recorder.only("deliver")
    assert parent_of(span) == PARENT
    (first,) = span.events
    assert (span.start_time or 0) <= first.timestamp <= (span.end_time or 0)
    bench.write(1)
    bench.times.settle(served=True)
    assert bench.told == [(1, 200)], "who is served later is not told"


def test_traces_of_one_announcement_are_told_apart() -> None:
    """And several notifications of one trace together."""
    bench = Bench()
    bench.spans.heard([(1, sent(1)), (2, sent(2)), (3, sent(2))])
    bench.position = 3
    bench.write(1, 2, 3, streams=2)
    bench.times.settle(served=True)
    assert bench.told == [(1, 2), (2, 4)]
    assert [attributes(span)["messaging.batch.message_count"] for span in bench.recorder.spans("deliver")] == [1, 2]


def test_nobody_is_connected_and_nothing_is_told() -> None:
    bench = Bench()
    bench.spans.heard([(1, sent(1))])
    bench.position = 1
    bench.times.settle(served=True)
    bench.write(1)
    bench.times.settle(served=True)
    assert bench.told == []


def test_what_is_not_in_the_tail_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is under way from the log; but not for ever."""
    bench = Bench()
    bench.spans.heard([(5, sent(1))])
    bench.times.settle(served=True)
    bench.position = 5
    bench.write(5)
    bench.times.settle(served=True)
    assert bench.told == [(1, 1)]
    bench.spans.heard([(6, sent(2))])
    monkeypatch.setattr(delivering, "PATIENCE_S", -1.0)
    bench.times.settle()
    bench.position = 6
    bench.write(6)
    bench.times.settle(served=True)
    assert bench.told == [(1, 1)]


def test_an_announcement_that_comes_twice_is_told_once() -> None:
    bench = Bench()
    for _ in range(2):
        bench.spans.heard([(1, sent(1))])
        bench.position = 1
        bench.write(1)
        bench.times.settle(served=True)
    assert bench.told == [(1, 1)]


def test_so_many_are_watched_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of announcements that nobody can follow holds no memory."""
    monkeypatch.setattr(delivering, "MAX_OPEN", 2)
    bench = Bench()
    bench.spans.heard([(place, sent(place)) for place in range(1, 5)])
    bench.position = 4
    bench.write(1, 2, 3, 4)
    bench.times.settle(served=True)
    assert bench.told == [(1, 1), (2, 1)]


@pytest.mark.usefixtures("never_by_itself")
async def test_a_hole_is_repaired_within_the_trace() -> None:
    """The announcement came before what it follows: its events come from the log, and its traces are known."""
    bench = RelayBench()
    recorder, driven = Recorder(), list[Stream]()
    spans = DeliverySpans(recorder.tracer, position=lambda: bench.tail.position)
    times = DeliveryTimes(metrics(), spans)
    bench.relay = Relay(
        bench.store.port, bench.tail, bench.hub, metrics(), outage=bench.outage, drive=driven.extend, spans=spans
    )
    async with bench.running():
        await bench.relay.when_filled()
        bench.add(1)
        later = bench.add(1)
        bench.relay.take(Announcement(later.epoch, later.first, later.events, traces=((2, sent(7)),)))
        await until(lambda: bench.tail.position == 2)
        times.note(bench.tail.after(0, ["recipient:alice"], max_events=9, max_bytes=9999)[0], opened_at=0)
        times.settle(served=True)
    assert traces_of(recorder.spans("deliver")) == [7]
