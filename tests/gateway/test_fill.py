"""The fill: a process serves after one page of the log, and has all that there is room for soon after."""

import pytest

from notify_sse.core.model import GONE
from notify_sse.errors import StoreUnavailable
from notify_sse.gateway import relay
from tests.gateway.relays import Bench
from tests.support.polling import until

pytestmark = pytest.mark.usefixtures("_quick_relay")


def paged(rows: int, *, page_events: int, max_events: int = 1000) -> Bench:
    bench = Bench(rows=rows, max_events=max_events)
    bench.store.page_events = page_events
    return bench


def held_up_after_the_first_page(bench: Bench) -> None:
    """The second page does not come before the store's gate is opened."""
    pages = bench.store.newest

    async def newest(*, max_events: int, max_bytes: int, before: int | None = None) -> object:
        if before is not None and bench.store.calls["newest"] == 1:
            bench.store.gate.clear()
        return await pages(max_events=max_events, max_bytes=max_bytes, before=before)

    bench.store.newest = newest  # type: ignore[method-assign,assignment]


async def test_the_first_page_is_enough_to_serve() -> None:
    """However much the log holds: the second page takes long, and streams are placed and hear what is new."""
    bench = paged(20, page_events=3)
    held_up_after_the_first_page(bench)
    async with bench.running():
        await until(lambda: bench.relay.filled)
        assert not bench.store.gate.is_set()
        assert bench.held() == [18, 19, 20]
        bench.relay.take(bench.add(2))
        assert bench.held() == [18, 19, 20, 21, 22]
        bench.store.gate.set()


async def test_streams_wait_for_pages_that_come_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """All who come back after a restart find in the tail what they missed, and nobody reads the log for them."""
    monkeypatch.setattr(relay, "SERVE_AFTER_S", 3600.0)
    bench = paged(20, page_events=3)
    held_up_after_the_first_page(bench)
    async with bench.running():
        await until(lambda: not bench.store.gate.is_set())
        bench.relay.take(bench.add(2))
        assert bench.held() == [18, 19, 20, 21, 22]
        assert not bench.relay.filled
        bench.store.gate.set()
        await bench.relay.when_filled()
        assert bench.held() == list(range(1, 23))


@pytest.mark.parametrize(("rows", "max_events"), [(0, 10), (3, 10), (9, 10), (25, 10), (25, 9), (26, 100)])
async def test_the_other_pages_follow_until_there_is_no_room(rows: int, max_events: int) -> None:
    bench = paged(rows, page_events=3, max_events=max_events)
    async with bench.running():
        expected = list(range(max(1, rows + 1 - max_events), rows + 1))
        await until(lambda: bench.held() == expected)
        await bench.relay.catch_up()
        asked = bench.store.calls["newest"]
        await bench.relay.catch_up()
        assert bench.store.calls["newest"] == asked <= len(expected) / 3 + 2
        assert bench.tail.start == max(0, rows - max_events)
        stream = bench.sleeper()
        assert not bench.driven
        bench.relay.take(bench.add(1))
        assert bench.driven == [stream]


async def test_what_is_announced_meanwhile_may_take_the_room() -> None:
    """The page that was read no longer follows the tail's start: it is dropped, and nothing is asked for any more."""
    bench = paged(20, page_events=4, max_events=6)
    pages = bench.store.newest

    async def newest(*, max_events: int, max_bytes: int, before: int | None = None) -> object:
        page = await pages(max_events=max_events, max_bytes=max_bytes, before=before)
        if before is not None:
            bench.relay.take(bench.add(3))
        return page

    bench.store.newest = newest  # type: ignore[method-assign,assignment]
    async with bench.running():
        await until(bench.relay._filled.is_set)
        await until(lambda: bench.held() == [18, 19, 20, 21, 22, 23])
        await bench.relay.catch_up()
        assert bench.held() == [18, 19, 20, 21, 22, 23]
    assert bench.store.calls["newest"] == 2


async def test_content_that_is_erased_meanwhile_stays_out() -> None:
    """A page was read before a recall was committed, and comes in after it was announced."""
    bench = paged(9, page_events=3)
    pages = bench.store.newest

    async def newest(*, max_events: int, max_bytes: int, before: int | None = None) -> object:
        page = await pages(max_events=max_events, max_bytes=max_bytes, before=before)
        if before == 7:
            bench.store.database.recall("recipient:alice", "n5-e0")
            bench.store.database.recall("recipient:alice", "n2-e0")
            bench.relay.repair()
            await bench.relay._compare(at_once=True)
        return page

    bench.store.newest = newest  # type: ignore[method-assign,assignment]
    async with bench.running():
        await until(lambda: len(bench.held()) == 11)
        frames = {one.id: one for one in bench.tail._order}
        assert [place for place, one in frames.items() if one.type == GONE or not one.block] == [2, 5]
        read, _ = bench.tail.after(0, ["recipient:alice"], max_events=99, max_bytes=10**6)
        assert [one.id for one in read if one.block] == [1, 3, 4, 6, 7, 8, 9, 10, 11]
        assert bench.tail.size_bytes == sum(len(one.block) + 250 for one in frames.values())


async def test_a_log_that_breaks_off_meanwhile_is_not_filled_up() -> None:
    """What was read of the log before belongs to no stream of the new one."""
    bench = paged(9, page_events=3)
    pages = bench.store.newest

    async def newest(*, max_events: int, max_bytes: int, before: int | None = None) -> object:
        if before is not None:
            bench.store.database.new_epoch()
        return await pages(max_events=max_events, max_bytes=max_bytes, before=before)

    bench.store.newest = newest  # type: ignore[method-assign,assignment]
    async with bench.running():
        await until(lambda: bench.tail.epoch == "e1")
        await bench.relay.catch_up()
        assert bench.held() == []
    assert bench.store.calls["newest"] == 2


async def test_a_page_that_is_not_read_in_time_is_asked_for_in_smaller_pieces() -> None:
    """The first and a later one: on a slow line, half the bytes are read in half the time."""
    bench = paged(9, page_events=3)
    bench.store.failures = [StoreUnavailable("timeout"), StoreUnavailable("timeout")]
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.store.failures = [StoreUnavailable("timeout")]
        await until(lambda: bench.held() == list(range(1, 10)))
    first, second, third = bench.store.asked_bytes[:3]
    assert (second, third) == (first // 2, first // 4)


async def test_a_stretch_that_is_not_read_in_time_is_asked_for_in_smaller_pieces() -> None:
    """And in larger ones again, once they come."""
    bench = Bench()
    limits = []
    read = bench.store.stretch

    async def stretch(after: int, *, limit: int) -> object:
        limits.append(limit)
        if limit > 500:
            raise StoreUnavailable("timeout")
        return await read(after, limit=limit)

    bench.store.stretch = stretch  # type: ignore[method-assign,assignment]
    async with bench.running():
        await until(lambda: bench.relay.filled)
        bench.add(5)
        bench.relay.repair()
        await until(bench.at_head)
        bench.add(5)
        bench.relay.repair()
        await until(bench.at_head)
    assert limits[:4] == [2000, 1000, 500, 1000]
