"""The simulation, or the tests of its area, notice every defence that is taken out."""

import inspect
import subprocess
import sys

import pytest

from notify_sse.core import tail
from tests.mutants.catalogue import BUGS, SEEN_AT, Catch, hunt, workers
from tests.mutants.planting import Change, Mutant, planted


def test_there_are_enough_and_each_has_its_own_name() -> None:
    names = [mutant.name for mutant in BUGS]
    assert len(set(names)) == len(names) >= 25
    assert SEEN_AT.keys() <= set(names)


@pytest.mark.parametrize("mutant", BUGS, ids=lambda mutant: mutant.name)
def test_each_changes_the_source_that_stands_there_now(mutant: Mutant) -> None:
    """A mutant that no longer fits the code has to follow it; it shows its change."""
    assert all(before != after for _, before, after in mutant.sources())
    assert mutant.defence
    assert "\n+" in mutant.diff()


@pytest.mark.deadline(1200)
def test_every_seeded_bug_is_caught() -> None:
    """By the simulation within 3,000 seeds, or by the tests of its area when the simulation cannot see it.

    What those tests see of the others is printed by `make mutants`.
    """
    with workers(4) as pool:
        caught = pool.map(_hunt, range(len(BUGS)), chunksize=1)
    assert [mutant.name for mutant, catch in zip(BUGS, caught, strict=True) if not catch.caught] == []


def _hunt(place: int) -> Catch:
    return hunt(BUGS[place], unit_tests=not BUGS[place].simulated)


def test_a_bug_is_gone_after_the_hunt() -> None:
    mutant = Mutant(
        "x", 0, "x", (Change("notify_sse.core.tail:Tail.skip", "self.size_bytes = 0", "self.size_bytes = 7"),)
    )
    one = tail.Tail(max_events=1, max_bytes=1)
    with planted(mutant):
        one.skip(3)
        assert one.size_bytes == 7
    one.skip(4)
    assert one.size_bytes == 0
    assert "size_bytes = 0" in inspect.getsource(tail.Tail.skip)


def test_a_change_that_does_not_fit_is_an_error() -> None:
    mutant = Mutant("x", 0, "x", (Change("notify_sse.core.tail:Tail.skip", "no such line", ""),))
    with pytest.raises(LookupError, match="no such line"), planted(mutant):
        pass


def test_the_command_hunts_by_name() -> None:
    """`make mutants ARGS='skip holes'`, with its own worker processes."""
    command = [sys.executable, "-m", "tests.mutants", "skip holes", "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 seeded bugs caught" in done.stdout
