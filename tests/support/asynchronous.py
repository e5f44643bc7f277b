"""Runs `async def` tests: a fresh uvloop loop each, a deadline, and nothing left behind.

Called by conftest's hooks only.
"""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from tests.support.polling import becomes_true

SETTLE_S = 5.0
"""How long tasks and connections that were told to end may take to, once the test is done."""


def run(test: Coroutine[Any, Any, None], *, deadline_s: float) -> None:
    """Run `test`; fail at the deadline, on tasks that it leaves running, and on exceptions that nobody saw."""
    unseen: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unseen.append(context))
        try:
            runner.run(_within(test, deadline_s))
            left = runner.run(_left_running())
            runner.run(_goodbyes())
        except BaseException as exc:
            for context in unseen:
                exc.add_note(f"also: {_described(context)}")
            raise
    gc.collect()  # a task's exception counts as unseen once the task is collected
    if left:
        pytest.fail("the test left tasks running:\n" + "\n".join(left), pytrace=False)
    if unseen:
        pytest.fail("nobody saw:\n" + "\n".join(map(_described, unseen)), pytrace=False)


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Fail, from wherever the main thread is, once `seconds` have passed."""

    def fail(*_: object) -> None:
        pytest.fail(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def _within(test: Coroutine[Any, Any, None], deadline_s: float) -> None:
    timer = asyncio.timeout(deadline_s)
    stacks: list[str] = []
    asyncio.get_running_loop().call_later(deadline_s * 0.99, lambda: stacks.extend(map(_stack, asyncio.all_tasks())))
    try:
        async with timer:
            await test
    except TimeoutError as exc:
        if not timer.expired():
            raise
        raise AssertionError(f"not done after {deadline_s:g} s; the tasks:\n" + "\n".join(stacks)) from exc


async def _left_running() -> list[str]:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=SETTLE_S)
    return [_stack(task) for task in left]


async def _goodbyes() -> None:
    """A TLS connection that we close is open until its server says goodbye, too. asyncpg does not wait for that when
    the server refuses a user, and a uvloop loop that ends before it complains.
    """
    await becomes_true(lambda: not any(map(_waits_for_goodbye, gc.get_objects())), within_s=SETTLE_S, every_s=0.001)


def _waits_for_goodbye(it: Any) -> bool:
    return type(it).__name__ == "_SSLProtocolTransport" and it.is_closing() and it.get_extra_info("socket") is not None


def _stack(task: asyncio.Task[Any]) -> str:
    """Where a task waits, the outermost call first (Task.get_stack has only that one)."""
    lines, waiting = [task.get_name()], task.get_coro()
    while waiting is not None:
        kind = next((kind for kind in ("cr", "ag", "gi") if hasattr(waiting, f"{kind}_frame")), None)
        if kind is None:
            break
        if frame := getattr(waiting, f"{kind}_frame"):
            lines.append(f"  {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}")
        waiting = getattr(waiting, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
    return "\n".join(lines)


def _described(context: dict[str, Any]) -> str:
    exc = context.get("exception")
    return f"{context.get('message')}: {exc!r}" if exc else str(context.get("message"))
