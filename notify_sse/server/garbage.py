"""When Python's cyclic garbage collector runs: never over ten thousand open streams for nothing.

A full collection looks at every object of every stream (0.2 s at 10,000), and the automatic one comes again and again
while streams open: half the cost of a connect, and a stall for everyone. So what is open is frozen (`gc.freeze`), which
takes it out of the collector's sight. What ends well leaves no cycles behind; an error that keeps its frames does.
What is not frozen is collected soon, since it is little, and all when it is calm, or when memory grows.
docs/adr/0007-garbage.md has the figures.
"""

import asyncio
import gc
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from notify_sse.gateway.registry import Registry
from notify_sse.server import allocator

STATM: Final = Path("/proc/self/statm")
YOUNG: Final = 10_000
"""New objects before a collection of the youngest; the default of 700 is for small programs."""
MIDDLE: Final = 20
NEVER: Final = 1_000_000
FREEZE_AT: Final = 100
"""Streams opened since the last freeze."""
COLLECT_EVERY_S: Final = 900.0
GROWN_BYTES: Final = 134_217_728
"""More memory than after the last collection, which makes another worth it: at most each `GROWN_EVERY_S`."""
GROWN_EVERY_S: Final = 10.0
TIDY_AT: Final = 200
"""Connections that have ended, which make a collection worth it of what is not frozen: a few milliseconds."""
TIDY_EVERY_S: Final = 10.0
"""Seldom: it costs by what is open and not frozen, and finds little."""
CALM_EVERY_S: Final = 10.0
CALM_BELOW: Final = 50
"""It is calm when fewer connections have ended within CALM_EVERY_S."""
CALM_AT: Final = 1000
CALM_SHARE: Final = 0.1
"""Once it is calm, a full collection is worth it when so many have ended since the last, and so many of the open."""
SWOLLEN_BYTES: Final = 8_388_608
"""More memory than when it was last given back, which makes it worth to ask the C library for what is free of it."""


class GarbagePolicy:
    """Takes over the collector of this process for as long as `run` runs. `passed_on` counts Hypercorn's connections
    that have ended, `resident` is the memory of the process in bytes, `give_back` gives the system what is free of it.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        passed_on: Callable[[], int] = lambda: 0,
        resident: Callable[[], int] | None = None,
        give_back: Callable[[], None] = allocator.give_back,
    ) -> None:
        self._registry = registry
        self._passed_on = passed_on
        self._resident = resident or resident_bytes
        self._give_back = give_back
        self._resident_after = self._resident_given_back = 0
        self._opened = self._closed = self._tidied = self._seen = 0
        self._collected_at = self._tidied_at = self._judged_at = time.monotonic()

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        before = gc.get_threshold()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        allocator.keep_large_blocks_apart()
        self._collect_all()
        try:
            while True:
                await asyncio.sleep(1)
                self.look()
        finally:
            gc.set_threshold(*before)
            gc.unfreeze()

    def look(self) -> None:
        """Collect all, or what is new; freeze; give memory back: if there is a reason."""
        registry = self._registry
        closed, now = registry.closed + self._passed_on(), time.monotonic()
        since_s = now - self._collected_at
        grown = since_s > GROWN_EVERY_S and self._resident() - self._resident_after > GROWN_BYTES
        if grown or since_s > COLLECT_EVERY_S:
            self._collect_all()
            return
        if now - self._judged_at > CALM_EVERY_S:
            self._judged_at = now
            calm, self._seen = closed - self._seen < CALM_BELOW, closed
            if calm and closed - self._closed >= max(CALM_AT, CALM_SHARE * len(registry)):
                self._collect_all()  # what ended lies among what is frozen, and nothing else would come for it
                return
            if self._resident() - self._resident_given_back > SWOLLEN_BYTES:
                self._shrink()
        if now - self._tidied_at > TIDY_EVERY_S and closed - self._tidied >= TIDY_AT:
            self._tidied, self._tidied_at = closed, now
            gc.collect()
        if registry.opened - self._opened >= FREEZE_AT:
            self._opened = registry.opened
            gc.freeze()

    def _collect_all(self) -> None:
        self._opened, self._closed = self._registry.opened, self._registry.closed + self._passed_on()
        self._tidied = self._seen = self._closed
        self._collected_at = self._tidied_at = self._judged_at = time.monotonic()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._shrink()
        self._resident_after = self._resident_given_back

    def _shrink(self) -> None:
        self._give_back()
        self._resident_given_back = self._resident()


def resident_bytes() -> int:
    """The memory of this process that is not swapped out; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
