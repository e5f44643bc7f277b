"""The greeting of a stream, and what is unread in it."""

import asyncio

import pytest

from notify_sse.core.control import Connected, ControlEvent, Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.read_state import Unread
from tests.gateway.one_connection import Bench
from tests.support.polling import until


async def test_a_greeting_that_had_to_be_counted_is_waited_for_like_any_other() -> None:
    """Nothing is written beside it, and what came meanwhile follows."""
    bench = Bench()
    counting = bench.count()
    bench.registry.open(bench.connection)
    bench.publish(4)
    await asyncio.sleep(0)
    assert bench.transport.sent == []
    counting.answer(None)
    await until(lambda: bench.transport.sent == ["connected"])
    bench.transport.gate.set()
    await until(lambda: bench.transport.sent == ["connected", "4"])
    assert bench.transport.together == 1


async def test_a_process_that_ends_greets_first_who_waits_for_a_count() -> None:
    bench = Bench(reset=Reset("unknown_epoch", Cursor("d", 9), Cursor("e", 3)))
    counting = bench.count()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    bench.registry.end(bench.connection, "drain")
    counting.answer(None)
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "reset", "closing", "end"]


async def test_who_has_gone_before_it_is_counted_is_written_nothing() -> None:
    """And keeps nobody from being told."""
    bench = Bench()
    counting = bench.count()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    gone = bench.connection
    bench.registry.leave(gone)
    bench.connection = bench.another()
    bench.registry.open(bench.connection)
    counting.answer(None)
    await until(lambda: bench.transport.sent)
    await asyncio.sleep(0)
    assert bench.transport.sent == ["connected"]


@pytest.mark.parametrize(("at", "told"), [(2, None), (3, 1), (4, 1)])
async def test_a_number_from_before_the_stream_begins_is_not_told(
    monkeypatch: pytest.MonkeyPatch, at: int, told: int | None
) -> None:
    """The database stood at `at`, the tail went on during the query, and the stream never sends what lies between."""
    bench = Bench()
    greeted: list[int | None] = []

    counting = bench.count()

    def write(event: ControlEvent) -> None:
        if isinstance(event, Connected):
            greeted.append(event.unread.count if event.unread else None)

    monkeypatch.setattr(bench.transport, "write_control", write)
    bench.registry.open(bench.connection)
    counting.answer(Unread(1, Cursor("e", at), Cursor("e", 0)))
    await until(lambda: greeted)
    assert greeted == [told]
