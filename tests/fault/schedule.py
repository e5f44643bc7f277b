"""What the nemesis will do, decided by one seed: kinds, victims, durations and the time between. Pure."""

from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

KINDS: Final[dict[str, float]] = {
    # processes of the service
    "kill gateway": 5,
    "kill ingester": 4,
    "kill worker": 3,
    "freeze gateway": 5,
    "freeze ingester": 4,
    "SIGTERM restart": 3,
    "rolling restart": 0.5,
    "failover freeze": 0.4,
    # RabbitMQ
    "kill broker": 1,
    "freeze broker": 1.5,
    "close_all_connections": 2,
    "memory alarm": 1.2,
    "live queue overflow": 3,
    # Postgres
    "kill postgres": 1.5,
    "freeze postgres": 2,
    "cut backends": 3,
    "disk full": 1,
    # the network, on one link
    "reset": 11,
    "silent drop": 7,
    "one-way cut": 7,
    "hold": 6,
    "delay": 4,
    "throttle": 3,
    "packet filter": 3,
    # what clients and time do
    "mass drop": 3,
    "stalled reader": 2.5,
    "token expiry": 3,
    "crowd": 3,
    "forged cursor": 5,
    "retention in replay": 4,
    "never announced": 12,
}
"""Kind → weight."""
LASTING: Final[dict[str, tuple[float, float]]] = {
    "freeze gateway": (0.3, 6),
    "freeze ingester": (0.3, 6),
    "failover freeze": (26, 34),
    "freeze broker": (0.5, 8),
    "freeze postgres": (0.5, 8),
    "memory alarm": (1, 5),
    "live queue overflow": (2, 5),
    "disk full": (1, 4),
    "silent drop": (0.3, 7),
    "one-way cut": (0.3, 7),
    "hold": (0.3, 7),
    "delay": (1, 5),
    "throttle": (1, 5),
    "packet filter": (1, 13),
    "kill gateway": (0, 2),
    "kill ingester": (0, 2),
    "kill broker": (0, 3),
    "kill postgres": (0, 3),
    "stalled reader": (1, 1),
}
"""Kind → how long it lasts, in seconds, before it is healed."""


class Fault(msgspec.Struct, frozen=True):
    """One entry. `after_s`: the pause before it, in units of the mean. `alone`: nothing else is broken meanwhile, and
    the time to recover is measured.
    """

    number: int
    kind: str
    after: float
    for_s: float
    victim: float
    strength: float
    alone: bool


def schedule(seed: int, *, without: frozenset[str] = frozenset(), longest_s: float = 60.0) -> Iterator[Fault]:
    """The faults of a seed, for ever. The first ones are each kind once, in random order."""
    rng = Random(seed)
    kinds = {kind: weight for kind, weight in KINDS.items() if kind not in without}
    first = list(kinds)
    rng.shuffle(first)
    names = list(kinds)
    number = 0
    while True:
        kind = first.pop() if first else rng.choices(names, list(kinds.values()))[0]
        low, high = LASTING.get(kind, (0.0, 0.0))
        after, span, victim, strength, alone = (rng.random() for _ in range(5))
        number += 1
        for_s = low + span * (max(low, min(high, longest_s)) - low)
        yield Fault(number, kind, 2 * after, for_s, victim, strength, alone < 0.35)
