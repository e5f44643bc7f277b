"""`python -m tests.fault`: a campaign of injected faults, or one scenario by name.

python -m tests.fault --minutes 5 --seed 1
python -m tests.fault crash --runs 20
python -m tests.fault trace --minutes 3
"""

import argparse
import inspect
import logging
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from tests.fault import crash_points
from tests.fault.campaign import Goal, run
from tests.fault.report import table, times_table
from tests.fault.scenarios import (
    half_open,
    reconnect,
    replay,
    rolling,
    rollout,
    stalled,
    upgrade,
    without_ids,
    workers,
)
from tests.fault.world import Plan

SCENARIOS = {
    "half-open": half_open,
    "reconnect": reconnect,
    "replay": replay,
    "rolling": rolling,
    "rollout": rollout,
    "stalled": stalled,
    "upgrade": upgrade,
    "without-ids": without_ids,
    "workers": workers,
}


TRACING = (
    "--traces",
    "1000",
    "--minutes",
    "3",
    "--retention",
    "3600",
    "--without",
    "retention in replay",
    "--fired",
    "0",
)
"""A campaign that is about what `trace` answers. Nothing of it is too old at its end; so retention defends nothing."""


def main(arguments: list[str]) -> int:
    """0 when the promise was kept and every fault and defence came into play."""
    for name in ("aiormq", "aio_pika", "notify_sse"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # publishers lose their broker all the time here
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job finds ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # so that everything is stopped
    if arguments[:1] == ["crash"]:
        return _crash(arguments[1:])
    if arguments[:1] == ["trace"]:
        return _campaign([*TRACING, *arguments[1:]])
    if arguments and arguments[0] in SCENARIOS:
        return _scenario(*arguments)
    return _campaign(arguments)


def _scenario(name: str, *arguments: str) -> int:
    """Its options are the arguments of its `run`: `--streams 10000`."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fault {name}", description=SCENARIOS[name].__doc__)
    work = SCENARIOS[name].run
    for option in inspect.signature(work).parameters.values():
        if option.default is None:
            continue
        parser.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default)
    finding = uvloop.run(work(**vars(parser.parse_args(arguments))))
    print(finding)
    return 1 if finding.wrong else 0


def _crash(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault crash", description=crash_points.__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each point (default 20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="POINT")
    options = parser.parse_args(arguments)
    crashes = uvloop.run(crash_points.run(runs=options.runs, seed=options.seed, only=options.only))
    print(
        f"{len(crashes.rows)} points, {sum(row.died for row in crashes.rows)} kills, "
        f"{crashes.ledger.accepted} accepted, {crashes.ledger.delivered} delivered"
    )
    print(times_table(crashes.ledger.times))
    print("\n".join(f"WRONG {line}" for line in crashes.wrong) or "the promise was kept")
    return 1 if crashes.wrong else 0


def _campaign(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides the whole schedule (default 1)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long at least (default 5)")
    parser.add_argument("--faults", type=int, default=0, help="how many faults at least")
    parser.add_argument("--accepted", type=int, default=0, help="how many accepted notifications at least")
    parser.add_argument("--fired", type=int, default=1, help="how often each defence must come into play (default 1)")
    parser.add_argument("--at-most", type=float, default=120.0, metavar="MINUTES", help="give up then (default 120)")
    parser.add_argument("--gap", type=float, default=1.5, help="mean seconds between faults (default 1.5)")
    parser.add_argument("--rate", type=float, default=300.0, help="notifications published a second (default 300)")
    parser.add_argument("--gateways", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="of the last gateway, under the supervisor (default 2)")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--without", action="append", default=[], help="leave a kind of fault out")
    parser.add_argument("--traces", type=int, default=0, help="trace so many notifications at the end (default none)")
    parser.add_argument("--retention", type=float, metavar="SECONDS", help="how long the log is kept")
    parser.add_argument("--json", type=Path, help="write the outcome there too")
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    options = parser.parse_args(arguments)
    plan = Plan(
        seed=options.seed,
        gateways=options.gateways,
        supervised=options.workers,
        clients=options.clients,
        rate_per_s=options.rate,
        retention_s=options.retention or (120.0 if options.minutes >= 3 else 25.0),
        traces=options.traces,
        ghosts=10 if options.traces else 0,
    )
    goal = Goal(
        minutes=options.minutes,
        faults=options.faults,
        accepted=options.accepted,
        fired=options.fired,
        mean_gap_s=options.gap,
        at_most_s=options.at_most * 60,
    )
    outcome = uvloop.run(run(plan, goal, keep=options.keep, without=frozenset(options.without)))
    print(table(outcome))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(outcome)))
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
