"""The end of a process comes: also when something that runs in it does not hear that it should end."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final, cast

logger = logging.getLogger(__name__)

CANCEL_AGAIN_S: Final = 1.0
END_S: Final = 10.0
"""After the drain: the journal's last entries, the broker and the databases have limits of their own, less than it."""


async def cancelled(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel `tasks`, which each leaves when it has ended; returns once none is left.

    A cancellation can get lost: `asyncio.wait_for`, before Python 3.12, returns all the same when what it waits for is
    done in the same moment. Then it is asked again.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        await asyncio.wait(set(tasks), timeout=CANCEL_AGAIN_S)


class Deadline:
    """Ends the process at once if it has not ended by itself in time, and says what it still waited for.

    What was accepted is in the log, and what was not acked comes again: whoever waits for the end of this process loses
    more by waiting. It has a thread of its own, because the event loop may be what does not go on.
    """

    def __init__(self, *, exit_now: Callable[[int], object] = os._exit) -> None:
        self._exit_now = exit_now
        self._timer: threading.Timer | None = None

    def begin(self, within_s: float) -> None:
        """From now on it has that long. Called on the event loop."""
        loop = asyncio.get_running_loop()
        self._timer = threading.Timer(within_s, lambda: self._give_up(loop, within_s))
        self._timer.daemon = True
        self._timer.start()

    def met(self) -> None:
        """It has ended in time."""
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self, loop: asyncio.AbstractEventLoop, within_s: float) -> None:
        waits_for = "; ".join(sorted(_place(task) for task in asyncio.all_tasks(loop))) or "no task"
        logger.error(
            "did not end within %g s, and is cut off; it waited for: %s",
            within_s,
            waits_for,
            extra={"action": "stop"},
        )
        self._exit_now(1)


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task stands: each of its coroutines with its line, the one that waits last."""
    places, at = [], task.get_coro()
    while (frame := getattr(at, "cr_frame", None)) is not None:
        places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        at = cast(Any, at).cr_await
    return " > ".join(places) or task.get_name()
