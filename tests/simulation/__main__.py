"""`python -m tests.simulation`: run many seeds, or one of them with its trace."""

import argparse
import sys

from tests.simulation.campaign import run
from tests.simulation.world import simulate


def main() -> int:
    """0 when every seed kept the promise and every fault and defence came into play."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="cores to use (default 2)")
    parser.add_argument("--seed", type=int, help="run this one only, and print the hash of its trace")
    parser.add_argument("--trace", action="store_true", help="with --seed: print what happened, step by step")
    options = parser.parse_args()
    if options.seed is not None:
        return _one(options.seed, traced=options.trace)
    campaign = run(options.first, options.seeds, jobs=options.jobs)
    print(campaign.table())
    return 1 if campaign.failed or campaign.idle else 0


def _one(seed: int, *, traced: bool) -> int:
    outcome = simulate(seed, traced=traced)
    print("\n".join(outcome.trace), end="\n" if traced else "")
    print(outcome)
    print(f"{outcome.steps} steps, trace {outcome.digest}")
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
