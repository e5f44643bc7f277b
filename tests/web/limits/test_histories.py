"""Pages of the history have a lane of their own, in which one recipient takes one turn at a time."""

import asyncio
import tracemalloc
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from notify_sse.core.model import Event
from notify_sse.core.ports import Head, Page, Store
from notify_sse.errors import Limited
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.limits import histories as module
from notify_sse.web.limits.histories import PAGE_BYTES, PIECE_BYTES, WAITING_EACH, Bounds, Histories

HEAD = Head("e", 100, 0)
ALL = Bounds(after=None, before=None, types=(), descending=False)


def _event(place: int) -> Event:
    return Event(place, "recipient:a", "t", b"{}", 0)


class _Pages:
    """A store that gives these pages, one after the other, once it is let; the last again and again."""

    def __init__(self, *pages: Page, gate: bool = False) -> None:
        self.pages = list(pages)
        self.asked: list[tuple[str, Any, Any, int]] = []
        self.gate = asyncio.Event()
        if not gate:
            self.gate.set()

    async def history(
        self, channels: Sequence[str], *, after: int | None, before: int | None, limit: int, **_: object
    ) -> Page:
        self.asked.append((channels[0], after, before, limit))
        await self.gate.wait()
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


def _histories(store: _Pages, *, at_once: int = 2) -> Histories:
    return Histories(cast(Store, store), Metrics(), at_once=at_once, largest_bytes=16_384)


async def test_one_recipient_takes_one_turn_at_a_time_and_another_does_not_wait_for_it() -> None:
    store = _Pages(Page((), 100, HEAD), gate=True)
    lane = _histories(store)
    greedy = [asyncio.create_task(lane.read("a", ["a"], ALL, limit=5)) for _ in range(10)]
    await asyncio.sleep(0)
    other = asyncio.create_task(lane.read("b", ["b"], ALL, limit=5))
    for _ in range(5):
        await asyncio.sleep(0)
    assert [channel for channel, *_ in store.asked] == ["a", "b"]
    store.gate.set()
    await other
    await asyncio.gather(*greedy)
    assert [channel for channel, *_ in store.asked].count("a") == 10


async def test_a_recipient_does_not_queue_without_end() -> None:
    store = _Pages(Page((), 100, HEAD), gate=True)
    lane = _histories(store)
    waiting = [asyncio.create_task(lane.read("a", ["a"], ALL, limit=5)) for _ in range(WAITING_EACH + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Limited) as caught:
        await lane.read("a", ["a"], ALL, limit=5)
    assert caught.value.limit == "history_per_recipient"
    store.gate.set()
    await asyncio.gather(*waiting)
    await lane.read("a", ["a"], ALL, limit=5)


async def test_a_page_that_ends_early_is_gone_on_with_until_it_is_full_or_done() -> None:
    """From either end, each time from where the last looked to."""
    store = _Pages(
        Page((_event(3),), 40, HEAD), Page((), 80, HEAD), Page((_event(90), _event(91)), 91, HEAD), Page((), 0, HEAD)
    )
    page = await _histories(store).read("a", ["a"], ALL, limit=3)
    assert ([one.id for one in page.events], page.upto) == ([3, 90, 91], 91)
    assert [(after, limit) for _, after, _, limit in store.asked] == [(None, 3), (40, 2), (80, 2)]
    store = _Pages(Page((_event(90),), 80, HEAD), Page((), 1, HEAD))
    back = Bounds(after=None, before=None, types=("t",), descending=True)
    page = await _histories(store).read("a", ["a"], back, limit=3)
    assert ([one.id for one in page.events], page.upto) == ([90], 1)
    assert [before for _, _, before, _ in store.asked] == [None, 80]
    assert back.beyond(page) is None


async def test_it_looks_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the page says how far it came."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    store = _Pages(Page((), 40, HEAD), Page((), HEAD.position, HEAD))
    page = await _histories(store).read("a", ["a"], ALL, limit=3)
    assert page.upto == 40
    left = ALL.beyond(page)
    assert left is not None
    assert left.after == 40


async def test_a_log_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one() -> None:
    new = Page((_event(1),), 1, Head("f", 1, 0))
    page = await _histories(_Pages(Page((_event(3),), 40, HEAD), new)).read("a", ["a"], ALL, limit=3)
    assert page == new


class _Large:
    """A log of `count` events for one channel, whose bodies are made when they are read."""

    def __init__(self, count: int, *, body_bytes: int) -> None:
        self.head = Head("e", count, 0)
        self.asked: list[int] = []
        self._body_bytes = body_bytes

    async def history(
        self, _: Sequence[str], *, after: int | None, before: int | None, limit: int, descending: bool, **__: object
    ) -> Page:
        self.asked.append(limit)
        places = list(range((after or 0) + 1, before or self.head.position + 1))
        places = places[::-1][:limit] if descending else places[:limit]
        events = [Event(place, "recipient:a", "t", bytes(self._body_bytes), 0) for place in places]
        full, last = len(events) == limit, self.head.position if not descending else 1
        return Page(tuple(events), places[-1] if full else last, self.head)


@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_ends_by_bytes_and_never_has_more_in_memory(*, descending: bool) -> None:
    """500 of the largest notification that can be allowed are 500 MiB: a page has 8 of them, and the next goes on."""
    store = _Large(40, body_bytes=1_048_576)
    lane = Histories(cast(Store, store), Metrics(), at_once=2, largest_bytes=1_048_576)
    bounds: Bounds | None = msgspec.structs.replace(ALL, descending=descending)
    found: list[int] = []
    tracemalloc.start()
    try:
        while bounds:
            page = await lane.read("a", ["a"], bounds, limit=500)
            assert len(page.events) <= 8
            found += [event.id for event in page.events]
            bounds = bounds.beyond(page)
        assert tracemalloc.get_traced_memory()[1] < 2.5 * PAGE_BYTES
    finally:
        tracemalloc.stop()
    assert found == (list(range(40, 0, -1)) if descending else list(range(1, 41)))
    assert set(store.asked) == {1}


async def test_the_largest_page_of_the_default_is_whole_and_read_in_pieces() -> None:
    """No read asks for more than a slow line carries within the database's time limit."""
    store = _Large(500, body_bytes=16_384)
    page = await Histories(cast(Store, store), Metrics(), at_once=2, largest_bytes=16_384).read(
        "a", ["a"], ALL, limit=501
    )
    assert len(page.events) == 500
    assert max(store.asked) * 16_384 <= PIECE_BYTES


async def test_what_is_small_is_read_in_few_pieces() -> None:
    store = _Large(1000, body_bytes=200)
    lane = Histories(cast(Store, store), Metrics(), at_once=2, largest_bytes=16_384)
    assert len((await lane.read("a", ["a"], ALL, limit=501)).events) == 501
    assert store.asked == [64, 128, 256, 53]
    store.asked.clear()
    await lane.read("a", ["a"], ALL, limit=51)
    assert store.asked == [51]


async def test_on_a_slow_line_a_page_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what has come by then, and where to go on."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    store = _Large(500, body_bytes=16_384)
    lane = Histories(cast(Store, store), Metrics(), at_once=2, largest_bytes=16_384)
    page = await lane.read("a", ["a"], ALL, limit=501)
    assert (len(page.events), page.upto) == (64, 64)
    assert ALL.beyond(page) == msgspec.structs.replace(ALL, after=64)
