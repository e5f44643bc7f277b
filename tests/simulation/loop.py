"""An event loop with a clock of its own that picks at random, by seed, what runs next.

Real code (tasks, futures, timeouts) runs on it unchanged. Nothing here waits: when nothing is ready, the clock jumps to
the next timer. What is ready runs in any order, and now and then a timer comes due while others are still ready, as on
a busy machine; so every await is a point where anything else may happen first.

A process is a context: handles that run in the context of a dead `Process` are dropped (as by SIGKILL, at any await),
those of a frozen one are kept until it thaws (as by SIGSTOP).
"""

import asyncio
from asyncio import events
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, TypeVar, TypeVarTuple

MAX_STEPS: Final = 200_000
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
LATE_S: Final = 0.02
"""How long something that is ready may be kept waiting by a busy machine."""


class Process:
    """What can die or freeze. Code belongs to it when it runs in a copy of its `context`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.held: list[Handle] = []
        self.context = Context()
        self.context.run(OWNER.set, self)


OWNER: ContextVar[Process | None] = ContextVar("owner", default=None)


class Handle:
    """Something to call, unless it is cancelled before."""

    __slots__ = ("args", "callback", "context", "gone", "when")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.gone = False
        self.when = 0.0

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone


class Livelock(Exception):
    """Something goes round in a circle."""


class SimLoop(asyncio.AbstractEventLoop):
    """The loop. `now` is its time in seconds, `steps` how many handles have run.

    `busy` is how often timers fire although something else is still ready; `slot_s` how far apart they may be to come
    due together, as on a machine that is behind with its work.
    """

    def __init__(self, rng: Random, *, busy: float, slot_s: float) -> None:
        self._random = rng.random
        self._busy = busy
        self._slot_s = slot_s
        self._ready: list[Handle] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._serial = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.now = 0.0
        self.steps = 0
        self.stopped = False
        self.errors: list[BaseException] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Inside, this is the running loop. Afterwards every task that is left is ended without a word."""
        events._set_running_loop(self)
        try:
            yield
        finally:
            for task in self._tasks:
                if not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    with suppress(RuntimeError):
                        task.get_coro().close()
            events._set_running_loop(None)

    def run(self) -> None:
        """Run until `stop`. Raises `Livelock`, and the first exception that ended a task."""
        ready, timers, random, busy = self._ready, self._timers, self._random, self._busy
        while not self.stopped:
            if not ready or (timers and random() < busy and timers[0][0] < self.now + LATE_S):
                self._advance()
            place = int(random() * len(ready))
            handle = ready[place]
            ready[place] = ready[-1]
            ready.pop()
            if not handle.gone:
                self._step(handle)
        if self.errors:
            raise self.errors[0]

    def _step(self, handle: Handle) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Livelock(f"still busy after {MAX_STEPS} steps, at {self.now:.3f} s")
        context = handle.context
        if context is None:
            handle.callback(*handle.args)
            return
        owner = context.get(OWNER)
        if owner is None or (owner.alive and not owner.frozen):
            context.run(handle.callback, *handle.args)
        elif owner.alive:
            owner.held.append(handle)

    def _advance(self) -> None:
        timers = self._timers
        if not timers:
            raise Livelock("nothing is left to run, and the end has not come")
        if timers[0][0] >= self.now:
            self.now = timers[0][0] + self._slot_s
        while timers and timers[0][0] <= self.now:
            self._ready.append(heappop(timers)[2])

    def thaw(self, process: Process) -> None:
        """`process` runs again, and finds everything that it slept through."""
        process.frozen = False
        self._ready += process.held
        process.held = []

    def stop(self) -> None:
        self.stopped = True

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Any:
        handle = Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context)
        handle.when = when
        self._serial += 1
        heappush(self._timers, (when, self._serial, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (exc := task.exception()):
            self.errors.append(exc)
            self.stopped = True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A future's exception that nobody fetched: its reader died."""

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False
