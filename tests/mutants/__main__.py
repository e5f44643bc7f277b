"""`python -m tests.mutants`: plant every seeded bug, and print which seed and which test caught it."""

import argparse
import sys

from tests.mutants.catalogue import BUGS, MAX_SEEDS, Catch, hunt_at, named, workers
from tests.mutants.planting import Mutant


def main() -> int:
    """0 when every mutant was caught by the simulation or by a test of the core."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only those whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="cores to use (default 2)")
    parser.add_argument("--max-seeds", type=int, default=MAX_SEEDS, help=f"seeds to try for each (default {MAX_SEEDS})")
    parser.add_argument("--show", action="store_true", help="show the changed lines of each")
    options = parser.parse_args()
    mutants = list(named(options.name))
    survived = []
    with workers(options.jobs) as pool:
        work = [(BUGS.index(mutant), options.max_seeds) for mutant in mutants]
        for mutant, catch in zip(mutants, pool.imap(hunt_at, work, chunksize=1), strict=True):
            print(_line(mutant, catch), flush=True)
            if options.show:
                print(mutant.diff(), end="\n\n")
            if not catch.caught:
                survived.append(mutant.name)
    print(f"{len(mutants) - len(survived)} of {len(mutants)} seeded bugs caught")
    for name in survived:
        print(f"survived: {name}")
    return 1 if survived else 0


def _line(mutant: Mutant, catch: Catch) -> str:
    seed = "-" if catch.seed is None else f"seed {catch.seed}"
    return f"{mutant.name:<46} {seed:<10} {catch.saw[:60]:<62} {catch.test or '-'}"


if __name__ == "__main__":
    sys.exit(main())
