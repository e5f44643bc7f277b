"""Long work gives others their turn, and short work does not pay for that."""

import time

from notify_sse.log.pace import MAX_STRETCH_S, Pace
from tests.support.turns import turns


async def test_a_long_stretch_ends_in_a_turn_for_others() -> None:
    async with turns() as stretches:
        pace = Pace()
        for _ in range(20):
            began = time.monotonic()
            while time.monotonic() - began < MAX_STRETCH_S * 1.1:
                pass
            await pace.rest()
    assert len(stretches) >= 19


async def test_short_work_is_not_interrupted() -> None:
    async with turns() as stretches:
        pace = Pace()
        began = time.monotonic()
        await pace.rest()
        if time.monotonic() - began < MAX_STRETCH_S / 2:  # else the box stood still
            assert stretches == []
