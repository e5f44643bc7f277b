"""Running a coroutine at once: no task unless it has to wait, and what it waits for comes back to it."""

import asyncio

import pytest

from notify_sse import eager


async def test_a_coroutine_that_does_not_wait_is_done_at_once() -> None:
    done = []

    async def work() -> None:
        done.append(1)

    assert eager.start(work()) is None
    assert done == [1]


async def test_what_it_waits_for_may_fail_within_it() -> None:
    """The exception is the coroutine's to handle."""
    room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen = []

    async def work() -> None:
        for _ in range(2):
            try:
                await asyncio.shield(room)
            except ConnectionError as exc:
                seen.append(str(exc))

    waiting = eager.start(work())
    assert waiting is not None
    room.set_exception(ConnectionError("gone"))
    await waiting
    assert seen == ["gone", "gone"]


async def test_a_cancellation_of_the_wait_reaches_it() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    waiting = eager.start(work())
    assert waiting is not None
    task = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1]


async def test_a_cancellation_before_its_task_begins_reaches_it_and_what_it_waits_for() -> None:
    """Whoever looks at the future sees that nobody waits: what nobody waits for is not stored."""
    waited_for: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended = []

    async def work() -> None:
        try:
            await waited_for
        finally:
            ended.append(1)

    waiting = eager.start(work())
    assert waiting is not None
    waiting.cancel()
    assert waited_for.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [1]


async def test_a_cancellation_before_its_task_begins_ends_a_turn_too() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    waiting = eager.start(work())
    assert waiting is not None
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
