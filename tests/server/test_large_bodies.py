"""Publishes of large bodies at the same time, in a whole process."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from notify_sse.web.api import publish
from notify_sse.web.limits.large_bodies import LARGE_BYTES, LargeBodies
from tests.server.in_process import running

AT_ONCE = 4


@pytest.mark.parametrize(("size", "most"), [(LARGE_BYTES, 1), (100, AT_ONCE)])
async def test_large_bodies_are_checked_one_at_a_time_and_small_ones_side_by_side(
    size: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, checking = publish._parsed, LargeBodies.checking
    arrived, now, seen = 0, 0, list[int]()
    all_are_here = asyncio.Event()

    def arriving(self: LargeBodies, principal: str, size: int) -> AbstractAsyncContextManager[None]:
        nonlocal arrived
        arrived += 1
        if arrived == AT_ONCE:
            all_are_here.set()
        return checking(self, principal, size)

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal now
        now += 1
        seen.append(now)
        async with asyncio.timeout(30):
            await all_are_here.wait()
        await asyncio.sleep(0)  # the last one is about to begin, if it may
        result = await parsed(*args, **options)
        now -= 1
        return result

    monkeypatch.setattr(publish, "_parsed", counted)
    monkeypatch.setattr(LargeBodies, "checking", arriving)
    item = {"recipient_id": "alice", "notification_type": "note", "payload": {"text": "x" * (size // 10)}}
    async with running(tmp_path) as service:
        token = service.token("publisher", scope="notifications:publish")
        async with httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {token}"}) as client:
            body = httpx.Request("POST", service.url, json=[item] * 10).content
            answers = await asyncio.gather(*(client.post("/notifications", content=body) for _ in range(AT_ONCE)))
    assert [answer.status_code for answer in answers] == [201] * AT_ONCE
    assert max(seen) == most
