"""Units of work on a database: when their callers go on, and what becomes of a unit whose caller has gone."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from notify_sse import eager
from notify_sse.errors import StoreUnavailable
from notify_sse.store.lane import Answer, Lane


async def test_a_caller_goes_on_before_its_unit_has_given_its_connection_back() -> None:
    """Each turn of the event loop in which a commit is known to nobody is a delay for whom it is for."""
    lane, given_back = Lane(width=1, wait_s=1), asyncio.Event()

    async def unit(answer: Answer[str]) -> None:
        answer.give("committed")
        await given_back.wait()

    assert await lane.run(unit) == "committed"
    next_one = asyncio.create_task(lane.run(_answering("next")))
    await asyncio.sleep(0.01)
    assert not next_one.done(), "the connection is not free yet"
    given_back.set()
    assert await next_one == "next"
    await lane.close(within_s=1)


async def test_what_fails_is_its_callers_until_there_is_an_answer() -> None:
    lane = Lane(width=1, wait_s=1)

    async def fails(_: Answer[str]) -> None:
        raise StoreUnavailable("away")

    async def fails_late(answer: Answer[str]) -> None:
        answer.give("committed")
        await asyncio.sleep(0)
        raise StoreUnavailable("the connection cannot be given back")

    with pytest.raises(StoreUnavailable, match="away"):
        await lane.run(fails)
    assert await lane.run(fails_late) == "committed"
    assert await lane.run(_answering("next")) == "next"
    await lane.close(within_s=1)


async def test_a_unit_goes_on_when_its_caller_is_cancelled_and_ends_with_the_lane() -> None:
    lane, ended = Lane(width=1, wait_s=1), asyncio.Event()

    async def unit(answer: Answer[str]) -> None:
        await asyncio.sleep(0.02)
        answer.give("nobody hears it")
        ended.set()

    caller = asyncio.create_task(lane.run(unit))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await lane.close(within_s=1)
    assert ended.is_set()
    with pytest.raises(StoreUnavailable, match="closed"):
        await lane.run(_answering("late"))


async def test_a_unit_that_does_not_end_in_time_is_cancelled_with_its_caller() -> None:
    lane = Lane(width=1, wait_s=1)

    async def unit(_: Answer[str]) -> None:
        await asyncio.Event().wait()

    caller = asyncio.create_task(lane.run(unit))
    await asyncio.sleep(0)
    await lane.close(within_s=0.01)
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_caller_without_a_task_waits_for_its_slot_as_others_do() -> None:
    """The door begins its requests in a callback of the loop: nothing there has a task yet."""
    lane, given_back, refused = Lane(width=1, wait_s=0.05), asyncio.Event(), asyncio.Event()

    async def unit(answer: Answer[str]) -> None:
        answer.give("committed")
        await given_back.wait()

    async def request() -> None:
        with pytest.raises(StoreUnavailable, match="too many"):
            await lane.run(_answering("never"))
        refused.set()

    assert await lane.run(unit) == "committed"
    asyncio.get_running_loop().call_soon(eager.start, request())
    async with asyncio.timeout(30):
        await refused.wait()
    given_back.set()
    await lane.close(within_s=1)


def _answering(value: str) -> Callable[[Answer[str]], Coroutine[Any, Any, None]]:
    async def unit(answer: Answer[str]) -> None:
        answer.give(value)

    return unit
