"""The collector runs when what has closed makes it worth it, or when memory grows without a reason that we know."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

import pytest

from notify_sse.server import allocator, garbage
from notify_sse.server.garbage import (
    CALM_AT,
    GROWN_BYTES,
    SWOLLEN_BYTES,
    TIDY_AT,
    GarbagePolicy,
    resident_bytes,
)


async def _collections(monkeypatch: pytest.MonkeyPatch, **changes: int) -> int:
    """How many full collections there are once a look finds these changes."""
    counted: list[int] = []
    registry = SimpleNamespace(opened=0, closed=0)
    world: dict[str, Any] = {"passed_on": 0, "resident": 10 * GROWN_BYTES}
    policy = GarbagePolicy(
        cast(Any, _Sized(registry)), passed_on=lambda: world["passed_on"], resident=lambda: world["resident"]
    )
    monkeypatch.setattr(gc, "collect", lambda: counted.append(1))
    monkeypatch.setattr(garbage, "GROWN_EVERY_S", 0)
    monkeypatch.setattr(garbage, "TIDY_EVERY_S", 0)
    monkeypatch.setattr(garbage, "CALM_EVERY_S", 0)
    running = asyncio.create_task(policy.run())
    await asyncio.sleep(0)
    assert len(counted) == 1
    registry.closed += changes.pop("closed", 0)
    for name, change in changes.items():
        world[name] += change
    policy.look()
    policy.look()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return len(counted) - 1


class _Sized:
    """A registry without connections."""

    def __init__(self, counts: SimpleNamespace) -> None:
        self._counts = counts

    def __len__(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._counts, name)


@pytest.mark.parametrize(
    ("changes", "collections"),
    [
        ({"closed": TIDY_AT - 1}, 0),
        ({"closed": TIDY_AT}, 1),
        ({"closed": CALM_AT - 1}, 1),
        ({"closed": CALM_AT}, 2),
        ({"passed_on": CALM_AT}, 2),
        ({"closed": CALM_AT // 2, "passed_on": CALM_AT // 2}, 2),
        ({"resident": GROWN_BYTES}, 0),
        ({"resident": GROWN_BYTES + 1}, 1),
    ],
)
async def test_a_collection_has_a_reason_and_comes_once(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], collections: int
) -> None:
    assert await _collections(monkeypatch, **changes) == collections


def test_the_memory_of_the_process_is_known() -> None:
    assert 10_000_000 < resident_bytes() < 10_000_000_000


def test_memory_is_given_back_once_it_has_swollen_and_not_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collection: that is for what only the collector finds."""
    world = {"resident": 10 * GROWN_BYTES, "given_back": 0, "collected": 0}

    def give_back() -> None:
        world["given_back"] += 1

    monkeypatch.setattr(gc, "collect", lambda: world.update(collected=world["collected"] + 1))
    monkeypatch.setattr(garbage, "CALM_EVERY_S", 0)
    registry = _Sized(SimpleNamespace(opened=0, closed=0))
    policy = GarbagePolicy(cast(Any, registry), resident=lambda: world["resident"], give_back=give_back)
    policy._collect_all()
    for more, times in ((SWOLLEN_BYTES, 1), (1, 2), (0, 2)):
        world["resident"] += more
        policy.look()
        assert world["given_back"] == times
    gc.unfreeze()
    assert world["collected"] == 1


async def test_what_few_connections_leave_is_collected_without_a_look_at_what_is_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So it costs by what is new, however many streams are open."""
    thawed: list[int] = []
    monkeypatch.setattr(gc, "unfreeze", lambda: thawed.append(1))
    assert await _collections(monkeypatch, passed_on=TIDY_AT) == 1
    assert len(thawed) == 2, "at the start and at the end"


async def test_large_blocks_are_kept_apart_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(allocator, "keep_large_blocks_apart", lambda: asked.append(1))
    await _collections(monkeypatch)
    assert asked == [1]
