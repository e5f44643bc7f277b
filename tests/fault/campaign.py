"""A campaign: a world, load, a nemesis, a quiet period, and the judge."""

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Final

import msgspec

from tests.fault import packets
from tests.fault.dead_letters import wrong_dead_letters
from tests.fault.nemesis import Nemesis
from tests.fault.own_events import disagreements
from tests.fault.schedule import KINDS, LASTING, Fault, schedule
from tests.fault.tracing import SETTLED_S
from tests.fault.world import Plan, World
from tests.support.checker import Violation, check, counts

QUIET_S: Final = 2.0
DEFENCES: Final[dict[str, tuple[str, str]]] = {
    "duplicates not appended again": ("gateways", "appended duplicate"),
    "announced events known already": ("gateways", "duplicates_dropped"),
    "holes found": ("gateways", "holes_found"),
    "stretches read to repair the tail": ("gateways", "holes_repaired"),
    "pages read for cold streams": ("gateways", "replay_pages"),
    "announcements that failed": ("gateways", "announce_failed"),
    "messages dead-lettered": ("gateways", "refused"),
    "reconnects to the broker": ("gateways", "broker_connects"),
    "resumed with something missed": ("times", "client back → first missed event"),
    "reset expired": ("clients", "reset expired"),
    "reset unknown_epoch": ("clients", "reset unknown_epoch"),
    "reset ahead_of_log": ("clients", "reset ahead_of_log"),
    "closing drain": ("clients", "closing drain"),
    "closing token_expired": ("clients", "closing token_expired"),
    "closing replaced": ("gateways", "streams_closed replaced"),
    "stalled readers cut off": ("clients", "stalled readers cut off"),
    "expiring told": ("clients", "expiring"),
    "removed by retention": ("gateways", "expired"),
    "publishes retried with the same id": ("clients", "publishes retried"),
    "recalls told to clients": ("clients", "recalled told"),
    "read marks told to clients": ("clients", "read told"),
}
"""What protects the promise → who counts it, under which name."""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """How long it goes on: until all that are given are reached, but not longer than `at_most_s`."""

    minutes: float = 5.0
    faults: int = 0
    accepted: int = 0
    fired: int = 1
    """How often each defence must have come into play. Not 0: each kind of fault must have struck once, too."""
    mean_gap_s: float = 1.5
    at_most_s: float = 7200.0

    def is_reached(
        self,
        *,
        took_s: float,
        accepted: int,
        struck: Mapping[str, int],
        kinds: AbstractSet[str],
        defences: Callable[[], Mapping[str, int]],
    ) -> bool:
        """Whether a campaign of these `kinds` has done enough: a slow machine takes longer for the same."""
        if took_s < self.minutes * 60 or sum(struck.values()) < self.faults or accepted < self.accepted:
            return False
        if not self.fired:
            return True
        return all(struck.get(kind) for kind in kinds) and min(defences().values()) >= self.fired


class Outcome(msgspec.Struct, kw_only=True):
    """What a campaign showed."""

    seed: int
    plan: dict[str, Any]
    took_s: float
    faults: dict[str, int]
    without: list[str]
    accepted: int
    unknown: int
    delivered: int
    judged: dict[str, int]
    violations: list[str]
    other: list[str]
    """What else is wrong: streams that did not converge, gaps in the log, processes that ended, lost dead letters."""
    resets: dict[str, int]
    answers: dict[int, int]
    times: dict[str, tuple[int, float, float, float]]
    defences: dict[str, int]
    clients: dict[str, int]
    slow: list[str]
    """Recoveries that took long, and what they waited for."""
    timeline: list[tuple[float, float, Fault]]
    fired: int
    traces: dict[str, int]
    """What `trace` answered, against what clients have heard."""

    @property
    def idle(self) -> list[str]:
        """Defences that fired less often than they should, and kinds of faults that never struck; none when nothing has
        to (`fired` is 0).
        """
        if not self.fired:
            return []
        rare = [name for name, count in self.defences.items() if count < self.fired]
        return rare + [f"fault: {kind}" for kind in KINDS if not self.faults.get(kind) and kind not in self.without]

    @property
    def good(self) -> bool:
        return not (self.violations or self.other or self.idle)


async def run(plan: Plan, goal: Goal, *, keep: bool = False, without: frozenset[str] = frozenset()) -> Outcome:
    """Run one campaign."""
    began = time.monotonic()
    gc.disable()  # millions of records, none of them garbage
    try:
        async with World(plan, keep=keep) as world:
            without |= _impossible(world) | too_long(goal)
            nemesis = Nemesis(world)
            other = await _act(world, nemesis, goal, without=without, began=began)
            return _outcome(world, nemesis, goal, other, without=without, took_s=time.monotonic() - began)
    finally:
        gc.enable()


def _impossible(world: World) -> frozenset[str]:
    """What cannot be done here: said in the table."""
    without = set()
    if world.servers.disk is None:
        without.add("disk full")
    if not packets.available():
        without.add("packet filter")
    if world.plan.supervised < 2:
        without.add("kill worker")
    return frozenset(without)


def too_long(goal: Goal) -> frozenset[str]:
    """The kinds that a short campaign has no time for."""
    return frozenset(kind for kind, (least_s, _) in LASTING.items() if least_s > _longest_s(goal))


def _longest_s(goal: Goal) -> float:
    return 60.0 if goal.minutes >= 4 else 6.0


async def _act(world: World, nemesis: Nemesis, goal: Goal, *, without: frozenset[str], began: float) -> list[str]:
    other = []
    world.start_publishing()
    if not await world.everybody_connected():
        other.append("not every client could connect at the start")
    start = time.monotonic()

    def enough() -> bool:
        reached = goal.is_reached(
            took_s=time.monotonic() - start,
            accepted=world.ledger.accepted,
            struck=nemesis.struck,
            kinds=KINDS.keys() - without,
            defences=lambda: _defences(world),
        )
        return bool(world.errors) or reached or time.monotonic() - began > goal.at_most_s

    progress = asyncio.create_task(_tell(world, nemesis))
    faults = schedule(world.plan.seed, without=without, longest_s=_longest_s(goal))
    await nemesis.run(faults, mean_gap_s=goal.mean_gap_s, enough=enough)
    progress.cancel()
    await world.stop_publishing()
    await asyncio.sleep(QUIET_S)
    other += [f"not converged: {line}" for line in await world.converge()]
    other += await _traced(world, nemesis)
    other += await asyncio.to_thread(
        wrong_dead_letters, world.servers.rabbitmq.url, world.prefix, world.spoiler.confirmed
    )
    for gateway in world.fleet.gateways:
        await gateway.scrape()
    other += _out_of_contract(world)
    stored = await world.scribe.stored()
    other += islice(disagreements([*world.clients, *world.sloths], world.ledger, stored), 50)
    return other + nemesis.failed + world.scribe.gaps + world.fleet.died + world.errors


async def _traced(world: World, nemesis: Nemesis) -> list[str]:
    """What the service tells of what it did, against what clients have heard."""
    if not world.plan.traces:
        return []
    last_fault_s = max((ended for _, ended, _ in nemesis.timeline), default=0.0)
    await asyncio.sleep(max(0.0, last_fault_s + SETTLED_S - world.ledger.now()))
    refused = sorted(world.spoiler.confirmed)
    wrong, world.traces = await world.tracer.at_the_end(world.plan.traces, world.scribe, refused=refused)
    return wrong


NEVER: Final = (
    "receipts with another place",
    "wrongly refused",
    "resets for another log, with a cursor of this one",
)
"""What clients and publishers count that must not be at all."""


def _out_of_contract(world: World) -> list[str]:
    """What the checker cannot know of, since it is about answers and needless resets."""
    seen, upto, floor = world.ledger.seen, world.ledger.expired_upto, world.scribe.floor
    wrong = [f"{seen[name]} {name}" for name in NEVER if seen[name]]
    return wrong + [f"told that all up to {upto} is gone; the floor is {floor}"] * (upto > floor)


async def _tell(world: World, nemesis: Nemesis) -> None:
    """A line a minute, for whoever waits."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(60)
        struck, ledger = sum(nemesis.struck.values()), world.ledger
        took_s = time.monotonic() - began
        print(
            f"{took_s:5.0f} s: {struck} faults, {ledger.accepted} accepted, {ledger.delivered} delivered",
            file=sys.stderr,
            flush=True,
        )


def _outcome(
    world: World, nemesis: Nemesis, goal: Goal, other: list[str], *, without: frozenset[str], took_s: float
) -> Outcome:
    ledger, plan = world.ledger, world.plan
    violations: list[Violation] = check(ledger.history)
    statuses = {status: count for status, count in ledger.answers.items() if status != 200}
    return Outcome(
        seed=plan.seed,
        plan=msgspec.to_builtins(plan),
        took_s=took_s,
        faults=dict(sorted(nemesis.struck.items())),
        without=sorted(without),
        accepted=ledger.accepted,
        unknown=ledger.seen["published unknown"],
        delivered=ledger.delivered,
        judged={str(kind): count for kind, count in counts(violations).items()},
        violations=[f"{one} (accepted at {ledger.answered_at.get(one.what, -1):.1f} s)" for one in violations[:200]],
        other=other + [f"streams answered {status}: {count} times" for status, count in statuses.items()],
        resets={name: count for name, count in ledger.seen.items() if name.startswith("reset ")},
        answers=dict(ledger.answers),
        times={name: times.summary() for name, times in sorted(ledger.times.items())},
        defences=_defences(world),
        clients=dict(sorted(ledger.seen.items())),
        slow=nemesis.slow,
        timeline=nemesis.timeline,
        fired=goal.fired,
        traces=dict(sorted(world.traces.items())),
    )


def _defences(world: World) -> dict[str, int]:
    gateways = world.fleet.total()
    fired = {}
    for name, (source, counter) in DEFENCES.items():
        if source == "gateways":
            fired[name] = int(_with_prefix(gateways, counter))
        elif source == "times":
            fired[name] = len(world.ledger.times[counter].all)
        else:
            fired[name] = world.ledger.seen[counter]
    return fired


def _with_prefix(tally: Counter[str], name: str) -> float:
    return sum(count for key, count in tally.items() if key == name or key.startswith(f"{name} "))
