"""What is gathered in plain numbers, and given to Prometheus later, is what it would have been given at once."""

from prometheus_client import CollectorRegistry, Counter

from notify_sse.telemetry.gathered import Count, Times, WeightedHistogram

BOUNDS = (0.1, 1.0)


def test_many_observations_at_once_are_as_many_one_by_one() -> None:
    """A value on a bound belongs below it; what lies in the future, by another clock, counts as nothing."""
    registry = CollectorRegistry()
    gathered = WeightedHistogram("gathered", "-", ["since"], buckets=BOUNDS, registry=registry)
    one_by_one = WeightedHistogram("one_by_one", "-", ["since"], buckets=BOUNDS, registry=registry)
    times = Times(gathered.labels("x"), BOUNDS)
    for seconds, count in ((0.1, 3), (0.5, 2), (7.0, 10_000), (0.0, 1)):
        times.note(seconds, count)
        for _ in range(count):
            one_by_one.labels("x").observe(seconds)
    times.note(-5.0, 4)
    for _ in range(4):
        one_by_one.labels("x").observe(0)
    times.flush()
    times.flush()
    for bound in ("0.1", "1.0", "+Inf"):
        labels = {"since": "x", "le": bound}
        value = registry.get_sample_value("gathered_bucket", labels)
        assert value == registry.get_sample_value("one_by_one_bucket", labels), bound
    assert registry.get_sample_value("gathered_count", {"since": "x"}) == 10_010
    total = registry.get_sample_value("gathered_sum", {"since": "x"}) or 0
    assert abs(total - (registry.get_sample_value("one_by_one_sum", {"since": "x"}) or 0)) < 1e-6


def test_what_was_counted_is_given_once() -> None:
    registry = CollectorRegistry()
    count = Count(Counter("counted", "-", registry=registry))
    count.inc(3)
    count.inc()
    assert (count.total, registry.get_sample_value("counted_total")) == (4, 0)
    count.flush()
    count.flush()
    assert registry.get_sample_value("counted_total") == 4
    count.inc(2)
    count.flush()
    assert (count.total, registry.get_sample_value("counted_total")) == (6, 6)
