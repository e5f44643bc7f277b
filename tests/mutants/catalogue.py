"""All seeded bugs, and how each is hunted."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.mutants import (
    door_bugs,
    gateway_bugs,
    ingest_bugs,
    limit_bugs,
    own_event_bugs,
    publish_bugs,
    revocation_bugs,
)
from tests.mutants.planting import Mutant, planted
from tests.simulation.world import simulate

BUGS: Final[tuple[Mutant, ...]] = (
    *gateway_bugs.BUGS,
    *ingest_bugs.BUGS,
    *door_bugs.BUGS,
    *publish_bugs.BUGS,
    *limit_bugs.BUGS,
    *own_event_bugs.BUGS,
    *revocation_bugs.BUGS,
)
MAX_SEEDS: Final = 3000
SEEN_AT: Final = {
    "sleepers not told of a break": 773,
    "page of another log taken": 501,
    "page's epoch not passed on": 501,
    "head that went back overlooked": 311,
    "known ones announced as new": 243,
    "a batch of a dead connection is tried again": 189,
    "halves of a refused batch swapped": 171,
    "recall erases its neighbours": 154,
    "answers mixed up": 123,
    "cursor ahead of the log taken": 122,
    "recall given up": 110,
    "second half of a refused batch forgotten": 100,
}
"""The seeds that saw, last time, what others take long to see. They are tried first, and then all from 0 on."""
TESTS: Final = Path(__file__).parents[1]
ROOMS: Final = ("core", "log", "gateway", "web/door", "web/limits", "auth")
"""Where the tests of what the mutants change are."""


class Catch(msgspec.Struct, frozen=True):
    """What noticed a mutant: the first seed of the simulation that did (None: not within the bound) and what it saw;
    and the first test of its own area in `ROOMS` that did ("" when none, or when they were not asked).
    """

    seed: int | None
    saw: str
    test: str

    @property
    def caught(self) -> bool:
        return self.seed is not None or bool(self.test)


def hunt(mutant: Mutant, *, max_seeds: int = MAX_SEEDS, unit_tests: bool = True) -> Catch:
    """Plant `mutant` in this process, and look for it."""
    with planted(mutant):
        seeds = (SEEN_AT.get(mutant.name, 0), *range(max_seeds))
        seed, saw = _simulated(seeds) if mutant.simulated else (None, "")
        return Catch(seed, saw, _first_failing_test(mutant.areas()) if unit_tests else "")


def hunt_at(work: tuple[int, int]) -> Catch:
    """Hunt `BUGS[place]`, for `work` = (place, seeds at most). A worker process finds it here, by its name."""
    place, max_seeds = work
    return hunt(BUGS[place], max_seeds=max_seeds)


def workers(jobs: int) -> Pool:
    """Processes that hunt, one for each bug, since one that is planted must not outlive its hunt.

    Not forked from here, where a runner of tests has threads: a lock that one of them holds would be held for good.
    They are forked from a process that has read all this already.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context.Pool(jobs, maxtasksperchild=1)


def _simulated(seeds: Iterable[int]) -> tuple[int | None, str]:
    for seed in seeds:
        outcome = simulate(seed)
        if not outcome.good:
            return seed, outcome.broken or str(outcome.violations[0])
    return None, ""


class _Failures:
    """A pytest plugin that remembers which tests failed."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            _, *path = report.nodeid.partition("[")[0].removesuffix("::runTest").split("::")
            self.names.append(path[-1] if path else report.nodeid)


def _first_failing_test(areas: set[str]) -> str:
    """Run the areas' own tests in this process, which has the bug."""
    files = [
        str(file)
        for area in sorted(areas)
        for room in ROOMS
        for file in sorted((TESTS / room).glob(f"test_{area}*.py"))
    ]
    if not files:
        return ""
    failures = _Failures()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", *files], plugins=[failures])
    return failures.names[0] if failures.names else ""


def named(part: str) -> Iterator[Mutant]:
    """The mutants whose name contains `part`."""
    return (mutant for mutant in BUGS if part in mutant.name)
