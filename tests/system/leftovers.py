"""`python -m tests.system.leftovers FILE serve …`: `notify-sse` whose collector runs on SIGUSR2 only, and then adds to
FILE how many objects it found.
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path

from notify_sse.cli import main
from notify_sse.server.garbage import GarbagePolicy


async def _never(policy: GarbagePolicy) -> None:
    del policy
    await asyncio.Event().wait()


if __name__ == "__main__":
    found = Path(sys.argv.pop(1))
    setattr(GarbagePolicy, "run", _never)  # noqa: B010  it is not ours to assign
    gc.disable()

    def collect(*_: object) -> None:
        with found.open("a") as file:
            file.write(f"{gc.collect()}\n")

    signal.signal(signal.SIGUSR2, collect)
    main()
