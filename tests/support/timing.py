"""How long something takes, on a machine that is busy with other things too."""

import os
from collections.abc import Awaitable, Callable

TRIES = 3


def is_busy() -> bool:
    """Whether the machine has more to do than it has processors."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


async def quickest(trial: Callable[[], Awaitable[float]], *, enough_s: float) -> float:
    """The shortest of the times, in seconds, that `trial()` returned; it is asked again, up to three times in all,
    while none is below `enough_s`: one slow moment of the machine is no slowness of what is measured.
    """
    times = list[float]()
    while len(times) < TRIES and min(times, default=enough_s) >= enough_s:
        times.append(await trial())
    return min(times)
