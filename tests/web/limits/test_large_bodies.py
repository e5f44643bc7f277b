"""Large bodies are checked one at a time, and each principal's in turn."""

import asyncio

from notify_sse.web.limits.large_bodies import LARGE_BYTES, LargeBodies


async def _done_in_order(bodies: LargeBodies, wanted: list[tuple[str, int]]) -> tuple[list[str], int]:
    """Whose turn it was, one after the other, and how many had it at the same time at most."""
    order: list[str] = []
    now = most = 0

    async def work(principal: str, size: int) -> None:
        nonlocal now, most
        async with bodies.checking(principal, size):
            order.append(principal)
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    await asyncio.gather(*(work(principal, size) for principal, size in wanted))
    return order, most


async def test_one_who_sends_several_waits_for_others_in_between() -> None:
    wanted = [("many", LARGE_BYTES)] * 4 + [("one", LARGE_BYTES)]
    order, most = await _done_in_order(LargeBodies(), wanted)
    assert most == 1
    assert order.index("one") <= 1


async def test_a_small_one_waits_for_nobody() -> None:
    assert await _done_in_order(LargeBodies(), [("a", LARGE_BYTES - 1)] * 5) == (["a"] * 5, 5)


async def test_who_gives_up_leaves_the_turn_to_the_next_and_nothing_is_kept() -> None:
    bodies = LargeBodies()
    async with bodies.checking("first", LARGE_BYTES):
        waiting = [asyncio.create_task(_done_in_order(bodies, [(name, LARGE_BYTES)])) for name in ("second", "second")]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    assert await waiting[1] == (["second"], 1)
    assert not bodies._own
