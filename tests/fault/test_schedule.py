"""One seed is one schedule."""

from itertools import islice

from tests.fault.schedule import KINDS, LASTING, schedule


def test_a_seed_reproduces_its_schedule() -> None:
    """The same seed gives the same faults, victims and times; another seed gives others."""
    first, again, other = (list(islice(schedule(seed), 500)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_every_kind_comes_in_the_first_round() -> None:
    """No campaign of as many faults as there are kinds misses one; what is left out never comes."""
    kinds = [fault.kind for fault in islice(schedule(9, without=frozenset({"disk full"})), 300)]
    assert sorted(kinds[: len(KINDS) - 1]) == sorted(KINDS.keys() - {"disk full"})
    assert "disk full" not in kinds


def test_faults_last_within_their_limits() -> None:
    """A kind's shortest time is kept even where the campaign allows less."""
    for fault in islice(schedule(3, longest_s=6.0), 500):
        low, high = LASTING.get(fault.kind, (0.0, 0.0))
        assert low <= fault.for_s <= max(low, min(high, 6.0))
