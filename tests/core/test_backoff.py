"""Pauses that grow, within bounds, and differ from one process to the next."""

import random
from collections.abc import Callable

from notify_sse.core.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    """The longest that each can be, and the shortest, which is half of that."""
    for drawn, part in ((1.0, 1.0), (0.0, 0.5)):
        backoff = Backoff(first_s=0.5, last_s=3.0, draw=_always(drawn))
        assert [backoff.next_s() for _ in range(5)] == [part * longest for longest in (0.5, 1.0, 2.0, 3.0, 3.0)]


def test_after_a_success_it_begins_anew() -> None:
    backoff = Backoff(first_s=0.5, last_s=3.0, draw=lambda: 1.0)
    for _ in range(4):
        backoff.next_s()
    backoff.reset()
    assert [backoff.next_s() for _ in range(2)] == [0.5, 1.0]


def test_two_that_fail_together_do_not_come_back_together() -> None:
    one, other = (Backoff(first_s=0.5, last_s=3.0, draw=random.Random(seed).random) for seed in (1, 2))
    assert one.next_s() != other.next_s()


def test_an_outage_of_any_length_is_outlasted() -> None:
    """After 1,024 attempts a power of two is beyond a float: a broker that was away for half an hour stayed lost."""
    backoff = Backoff(first_s=0.5, last_s=2.0, draw=random.random)
    assert all(0.25 <= backoff.next_s() <= 2.0 for _ in range(3000))
    assert backoff.next_s() >= 1.0


def _always(value: float) -> Callable[[], float]:
    return lambda: value
