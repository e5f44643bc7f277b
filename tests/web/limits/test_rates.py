"""A rate counts in windows, each of its own key, in bounded memory; who is over it is told until when."""

import pytest

from notify_sse.config import read_settings
from notify_sse.errors import Limited
from notify_sse.web.limits.rates import SCOPE_LIMIT, Rate, Rates
from notify_sse.web.limits.window_storage import WindowStorage


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _refused(rate: Rate, who: str) -> Limited:
    with pytest.raises(Limited) as caught:
        rate.count(who)
    return caught.value


def test_who_is_over_the_rate_is_refused_until_the_window_ends_and_nobody_else_is() -> None:
    clock = _Clock()
    rate = Rate("history_per_recipient", "3/minute", clock=clock)
    for _ in range(3):
        rate.count("alice")
        clock.now += 10
    refused = _refused(rate, "alice")
    assert (refused.limit, refused.retry_after_s) == ("history_per_recipient", 30)
    rate.count("bob")
    clock.now += refused.retry_after_s
    rate.count("alice")


def test_those_that_are_refused_do_not_make_the_window_longer() -> None:
    clock = _Clock()
    rate = Rate("history_per_recipient", "1/minute", clock=clock)
    rate.count("alice")
    for _ in range(59):
        clock.now += 1
        _refused(rate, "alice")
    clock.now += 1
    rate.count("alice")


def test_several_rates_hold_together() -> None:
    clock = _Clock()
    rate = Rate("history_per_recipient", "2/second;3/minute", clock=clock)
    rate.count("alice")
    rate.count("alice")
    assert _refused(rate, "alice").retry_after_s == 1
    clock.now += 1
    rate.count("alice")
    assert _refused(rate, "alice").retry_after_s == 59


def test_zero_is_no_limit() -> None:
    rate = Rate("history_per_recipient", "0")
    for _ in range(10_000):
        rate.count("alice")


def test_counters_expire_and_are_never_more_than_there_is_room_for() -> None:
    """An attacker with many addresses: what has expired goes, then the oldest; who is counted now stays counted."""
    clock = _Clock()
    storage = WindowStorage(most=1000, clock=clock)
    for n in range(5000):
        storage.incr(f"address-{n}", 60)
        assert len(storage) <= 1000
    assert storage.get("address-4999") == 1
    clock.now += 61
    assert storage.get("address-4999") == 0
    for n in range(400):  # a few go whenever one comes
        storage.incr(f"later-{n}", 60)
    assert len(storage) == 400


def _rates(limited: list[str], **limits: str) -> Rates:
    environ = {f"NOTIFY_SSE_LIMIT_{name}": text for name, text in limits.items()}
    return Rates(read_settings(environ), on_limited=limited.append)


def test_each_limit_counts_what_it_is_named_for() -> None:
    """An address by itself, with IPv6 its /64; a recipient and a principal by name. Every refusal is counted."""
    limited: list[str] = []
    rates = _rates(
        limited,
        CONNECTS_PER_ADDRESS="1/hour",
        CONNECTS_PER_RECIPIENT="1/hour",
        PUBLISHES_PER_PRINCIPAL="1/hour",
        HISTORY_PER_RECIPIENT="1/hour",
        REQUESTS_PER_RECIPIENT="1/hour",
        UNAUTHENTICATED_PER_ADDRESS="1/hour",
    )
    address, same, other = (
        {"client": (host, 1)} for host in ("2001:db8::1", "2001:db8:0:0:ffff::9", "2001:db8:0:1::1")
    )
    for count, first, second, third in (
        (rates.arrive, address, same, other),
        (rates.refuse_token, address, same, other),
    ):
        count(first)
        with pytest.raises(Limited):
            count(second)
        count(third)
    for name in (rates.connect, rates.publish, rates.history, rates.request):
        name("alice")
        with pytest.raises(Limited):
            name("alice")
        name("bob")
    rates.arrive({"client": None})
    rates.arrive({"client": None})
    assert limited == [
        "connects_per_address",
        "unauthenticated_per_address",
        "connects_per_recipient",
        "publishes_per_principal",
        "history_per_recipient",
        "requests_per_recipient",
    ]


def test_a_connection_that_is_one_too_many_is_refused_whatever_it_asks() -> None:
    with pytest.raises(Limited) as caught:
        _rates([]).arrive({"client": ("10.0.0.1", 1), SCOPE_LIMIT: "max_connections"})
    assert caught.value.limit == "max_connections"
