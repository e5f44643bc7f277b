"""Deliveries are timed with few observations, and each is counted once."""

import time
from collections.abc import Sequence

import pytest

from notify_sse.core.frames import Frame, frame
from notify_sse.core.model import Event
from notify_sse.gateway import delivery_times
from notify_sse.gateway.delivery_times import DeliveryTimes
from notify_sse.telemetry.metrics import Metrics

SERIES = "notify_sse_delivery_seconds"


def _frame(place: int, *, age_s: float, body: bytes = b'{"timestamp":"2020-01-01T00:00:00Z"}') -> Frame:
    return frame(Event(place, "topic:all", "note", body), "k3f9a1", committed_s=time.time() - age_s)


def _count(metrics: Metrics, *, since: str, name: str = f"{SERIES}_count", **labels: str) -> float:
    metrics.refresh()
    return metrics.registry.get_sample_value(name, {"since": since, **labels}) or 0.0


@pytest.mark.parametrize(
    "written",
    [
        [[_frame(1, age_s=0.2)]],
        [[_frame(place, age_s=0.2)] for place in range(1, 101)],
        [[_frame(1, age_s=0.2)]] * 64,
        [[_frame(place, age_s=0.2) for place in range(1, 38)], [], [_frame(38, age_s=0.2)]],
    ],
    ids=["one", "many", "a broadcast", "pieces of pages"],
)
def test_each_delivery_is_counted_once(written: Sequence[Sequence[Frame]]) -> None:
    metrics = Metrics()
    times = DeliveryTimes(metrics)
    for frames in written:
        times.note(frames, opened_at=0)
    times.settle()
    times.settle()
    total = sum(map(len, written))
    assert _count(metrics, since="committed") == _count(metrics, since="published") == total
    assert _count(metrics, since="committed", name=f"{SERIES}_bucket", le="0.1") == 0
    assert _count(metrics, since="published", name=f"{SERIES}_bucket", le="300.0") == 0, "it was published years ago"


def test_a_broadcast_is_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many slices it takes; and what has its id after the log went back is another one."""
    looked: list[Frame] = []
    when = {0.5: time.time() - 1, 0.4: time.time() - 50}

    def look(one: Frame) -> float:
        looked.append(one)
        return when[one.committed_s]

    monkeypatch.setattr(delivery_times, "_published_s", look)
    first, again = (frame(Event(7, "topic:all", "note", b"{}"), "k3f9a1", committed_s=at) for at in when)
    metrics = Metrics()
    times = DeliveryTimes(metrics)
    for one in (first, first, again):
        for _ in range(64):
            times.note([one], opened_at=0)
        times.settle()
    assert looked == [first, again]
    assert _count(metrics, since="published", name=f"{SERIES}_bucket", le="5.0") == 128
    assert _count(metrics, since="published") == 192


def test_what_a_stream_resumes_is_not_counted() -> None:
    """It waited for its client."""
    metrics = Metrics()
    times = DeliveryTimes(metrics)
    times.note([_frame(place, age_s=60) for place in (1, 2, 3)], opened_at=2)
    times.note([_frame(2, age_s=60)], opened_at=2)
    times.settle()
    assert _count(metrics, since="committed") == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b'{"timestamp":"2016-12-31T23:59:60Z"}', b'{"timestamp":7}'])
def test_a_time_that_nobody_knows_is_left_out(body: bytes) -> None:
    """An event without a body, a leap second; and a page of the log that was read without its times."""
    metrics = Metrics()
    times = DeliveryTimes(metrics)
    times.note([frame(Event(1, "topic:all", "note", body), "k3f9a1")], opened_at=0)
    times.settle()
    assert _count(metrics, since="committed") == _count(metrics, since="published") == 0
