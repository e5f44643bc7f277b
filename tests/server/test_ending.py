"""The end of a process comes, whatever does not hear of it."""

import asyncio
import re

import pytest

from notify_sse.server.ending import Deadline, cancelled
from tests.support.polling import becomes_true
from tests.support.service import ServiceFactory


async def test_a_cancellation_that_gets_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` loses one, before Python 3.12."""
    monkeypatch.setattr("notify_sse.server.ending.CANCEL_AGAIN_S", 0.01)
    heard = 0

    async def hard_of_hearing() -> None:
        nonlocal heard
        while heard < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1

    tasks = {asyncio.create_task(hard_of_hearing()), asyncio.create_task(asyncio.sleep(60))}
    for task in tasks:
        task.add_done_callback(tasks.discard)
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await cancelled(tasks)
    assert (heard, tasks) == (3, set())


async def test_who_does_not_end_in_time_says_what_it_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    codes: list[int] = []
    deadline = Deadline(exit_now=codes.append)

    async def on_and_on() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(on_and_on())
    deadline.begin(0.05)
    assert await becomes_true(lambda: codes == [1], within_s=30)
    assert re.search(r"did not end within 0.05 s.*\.on_and_on:\d+ > Event.wait:\d+", caplog.text)
    task.cancel()


async def test_who_ends_in_time_is_not_cut_off() -> None:
    codes: list[int] = []
    ended, unused = Deadline(exit_now=codes.append), Deadline(exit_now=codes.append)
    ended.begin(0.05)
    ended.met()
    unused.met()
    later = Deadline(exit_now=lambda code: codes.append(code + 1))
    later.begin(0.1)
    assert await becomes_true(lambda: bool(codes), within_s=30)
    assert codes == [2]


def test_sigterm_ends_a_process_one_of_whose_parts_does_not_end(service: ServiceFactory) -> None:
    """Not after its drain alone: some seconds after it, with an error that names the part."""
    running = service(wait_ready=False, env={"DRAIN_S": "1"})
    running.kill()
    running.program = ("tests.server.hanging",)
    running.start()
    running.terminate(within_s=20)
    assert "did not end within 1.5 s" in running.logged()
    assert re.search(r"Process._close:\d+ > _never_closed:\d+", running.logged())
