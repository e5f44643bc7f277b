"""Many seeds on several cores, and what came of them together."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context

import msgspec

from tests.simulation.tally import DEFENCES, FAULTS
from tests.simulation.world import simulate

CHUNK_SEEDS = 100
SHOWN = 20


class Campaign(msgspec.Struct):
    """The sum over `seeds` runs. `failed`: seed → what was wrong with it."""

    seeds: int = 0
    steps: int = 0
    took_s: float = 0.0
    tally: Counter[str] = msgspec.field(default_factory=Counter)
    failed: dict[int, str] = msgspec.field(default_factory=dict)

    def add(self, other: "Campaign") -> None:
        self.seeds += other.seeds
        self.steps += other.steps
        self.tally += other.tally
        self.failed |= other.failed

    @property
    def idle(self) -> list[str]:
        """Faults and defences that never came into play: such a campaign proves nothing about them."""
        return [name for name in FAULTS + DEFENCES if not self.tally[name]]

    def table(self) -> str:
        """What happened, for people."""
        lines = [
            f"{self.seeds} seeds, {self.steps} steps, {self.took_s:.0f} s ({self.seeds / self.took_s:.0f} seeds/s)"
        ]
        for title, names in (("faults", FAULTS), ("defences", DEFENCES)):
            lines += ["", title, *(f"  {name:<26}{self.tally[name]:>10}" for name in names)]
        lines += ["", *(f"never happened: {name}" for name in self.idle)]
        lines += [f"seed {seed}: {what}"[:600] for seed, what in islice(sorted(self.failed.items()), SHOWN)]
        lines.append(f"{len(self.failed)} of {self.seeds} seeds broke the promise")
        return "\n".join(lines)


Spread = Callable[[Callable[[tuple[int, int]], Campaign], list[tuple[int, int]]], Iterator[Campaign]]
"""Applies a function to each chunk of seeds, here or on several cores."""


def run(first: int, count: int, *, jobs: int) -> Campaign:
    """Run `count` seeds from `first` on `jobs` cores."""
    started = time.perf_counter()
    total = Campaign()
    chunks = [(seed, min(seed + CHUNK_SEEDS, first + count)) for seed in range(first, first + count, CHUNK_SEEDS)]
    with _mapped(jobs) as spread:
        for part in spread(_chunk, chunks):
            total.add(part)
    total.took_s = time.perf_counter() - started
    return total


@contextmanager
def _mapped(jobs: int) -> Iterator[Spread]:
    if jobs == 1:
        yield map
        return
    # Not forked from here, where a runner of tests has threads: a lock that one of them holds would be held for good.
    with get_context("forkserver").Pool(jobs) as pool:
        yield pool.imap_unordered


def _chunk(bounds: tuple[int, int]) -> Campaign:
    part = Campaign()
    for seed in range(*bounds):
        outcome = simulate(seed)
        part.seeds += 1
        part.steps += outcome.steps
        part.tally += outcome.tally
        if not outcome.good:
            part.failed[seed] = str(outcome)
    return part
