"""The pump and the registry at work on one connection: one write at a time, the greeting first, `closing` last."""

import asyncio
import time
from collections.abc import Awaitable, Sequence

import pytest

from notify_sse import eager
from notify_sse.auth.grant import TokenFacts
from notify_sse.auth.revoked import Revoked
from notify_sse.core.control import CloseReason, Heartbeat, Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, frame
from notify_sse.core.model import Event
from notify_sse.core.rollout import Rollout
from notify_sse.core.stream import Stream
from notify_sse.gateway import rollout
from notify_sse.gateway.connection import Connection, Due
from notify_sse.gateway.registry import Registry
from tests.gateway.one_connection import Bench, SlowTransport
from tests.support.doubles import metrics
from tests.support.polling import until


async def test_a_connection_admitted_before_a_drain_is_told_of_it() -> None:
    """It is in no list of the drain's: it was still being placed."""
    bench = Bench()
    await bench.registry.drain(0.0)
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "closing", "end"]


async def test_a_stream_joins_before_it_reads() -> None:
    """Something is published while it is greeted: it is woken for it, or reads it, but never sleeps through it."""
    bench = Bench()
    bench.registry.open(bench.connection)
    assert bench.transport.sent == ["connected"]
    assert bench.connection in bench.hub.readers("topic:all")
    bench.publish(4)
    bench.transport.gate.set()
    await until(lambda: bench.transport.sent == ["connected", "4"])


async def test_what_falls_due_during_the_greeting_waits_for_it() -> None:
    """A process that is told to drain while a client is slow to take its greeting and its reset."""
    bench = Bench(reset=Reset("unknown_epoch", Cursor("d", 9), Cursor("e", 3)))
    bench.registry.open(bench.connection)
    bench.registry.end(bench.connection, "drain")
    await asyncio.sleep(0)
    assert bench.transport.sent == ["connected"]
    bench.transport.gate.set()
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "reset", "closing", "end"]
    assert bench.transport.together == 1
    bench.registry.leave(bench.connection)


async def test_an_administrator_ends_one_connection_by_its_id() -> None:
    """As `drain`: its client comes back. Nobody else's ends, and an id that is not here is said not to be."""
    bench = Bench()
    bench.registry.open(bench.connection)
    bench.transport.gate.set()
    assert not bench.registry.end_one("nobody")
    assert not bench.connection.gone
    assert bench.registry.end_one(bench.connection.id)
    await until(lambda: bench.connection.gone)
    assert bench.connection.close_reason == "drain"
    assert bench.transport.sent == ["connected", "closing", "end"]
    bench.registry.leave(bench.connection)


async def test_heartbeats_are_one_for_all_who_have_seen_as_much_and_of_now() -> None:
    """One object is told again, and encoded once; what was published since, for others too, moves its cursor on."""
    bench = Bench()
    told: list[Heartbeat] = []
    bench.transport.write_control = told.append  # type: ignore[assignment, method-assign]
    bench.registry.open(bench.connection)
    told.clear()
    for place, channel in ((4, "recipient:somebody"), (5, "recipient:else")):
        bench.tail.extend(place, [frame(Event(place, channel, "t", b"{}"), "e")])
        for _ in range(2):
            bench.pump._on_deadline(bench.connection, Due.HEARTBEAT)
    assert [one.cursor.position for one in told] == [4, 4, 5, 5]
    assert told[0] is told[1]
    assert told[2] is told[3]
    bench.registry.leave(bench.connection)


async def test_who_takes_nothing_for_too_long_is_cut_off_without_a_word() -> None:
    """Nothing would reach it; and it is counted as a slow reader until then."""
    bench = Bench()
    bench.registry.open(bench.connection)
    assert (bench.pump.slow_readers, bench.pump.buffered_bytes) == (1, 7)
    [(connection, due)] = bench.pump.deadlines.due(time.monotonic() + 31)
    bench.pump._on_deadline(connection, due)
    assert bench.transport.sent == ["connected", "aborted"]
    assert (bench.connection.close_reason, bench.connection.gone) == ("slow_consumer", True)
    bench.registry.leave(bench.connection)
    bench.transport.gate.set()
    await until(lambda: not bench.pump.slow_readers)


async def test_a_connection_that_left_is_written_to_no_more() -> None:
    """Whatever was due, and whatever is published after."""
    bench = Bench()
    bench.registry.open(bench.connection)
    bench.registry.end(bench.connection, "revoked")
    bench.registry.leave(bench.connection)
    bench.registry.leave(bench.connection)
    bench.transport.gate.set()
    await until(lambda: not bench.connection.busy)
    bench.publish(4)
    assert bench.transport.sent == ["connected"]
    assert (len(bench.registry), bench.registry.opened, bench.registry.closed) == (0, 1, 1)


async def test_a_second_reason_to_close_changes_nothing() -> None:
    """The client is told of one end, the first."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    bench.registry.end(bench.connection, "replaced")
    bench.registry.end(bench.connection, "drain")
    await until(lambda: bench.connection.gone)
    assert bench.connection.close_reason == "replaced"
    assert bench.transport.sent == ["connected", "closing", "end"]


async def test_a_transport_that_breaks_ends_its_own_connection_only() -> None:
    """The exception is logged; the connection is abandoned, and the pump serves the others."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    good = Connection(
        Stream(("topic:all",), bench.tail.cursor, generation=1),
        other := SlowTransport(),
        connection_id="d",
        recipient_id="bob",
    )
    other.gate.set()
    bench.registry.open(good)

    def broken(frames: Sequence[Frame]) -> None:
        raise RuntimeError(len(frames))

    bench.transport.write = broken  # type: ignore[method-assign]
    bench.publish(4)
    assert bench.connection.gone
    assert bench.transport.sent == ["connected", "aborted"]
    await until(lambda: other.sent == ["connected", "4"])


async def test_a_transport_that_breaks_while_it_is_waited_for_ends_its_connection() -> None:
    """As when it breaks at once: logged, and abandoned."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)

    async def broken(count: int) -> None:
        await asyncio.sleep(0)
        raise RuntimeError(count)

    bench.transport.write = lambda frames: eager.start(broken(len(frames)))  # type: ignore[method-assign]
    bench.publish(4)
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "aborted"]


async def test_after_its_closing_a_connection_gets_nothing_more() -> None:
    """What is published between the closing and the end is for the client's next connection."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    bench.transport.gate.clear()
    bench.registry.end(bench.connection, "replaced")
    bench.publish(4)
    bench.pump.drive((bench.connection,))
    bench.transport.gate.set()
    await until(lambda: bench.connection.gone)
    assert bench.transport.sent == ["connected", "closing", "end"]


async def test_a_connection_whose_end_was_cancelled_gets_nothing_more() -> None:
    """As when the process itself ends: closing was said, so whatever comes is for the client's next connection."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    taking: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(reason: CloseReason) -> Awaitable[None]:
        assert reason == "drain"
        return taking

    bench.transport.finish = finish  # type: ignore[method-assign]
    bench.registry.end(bench.connection, "drain")
    await until(lambda: bench.transport.sent == ["connected", "closing"])
    taking.cancel()
    await until(lambda: not bench.connection.busy)
    bench.publish(4)
    bench.pump.drive((bench.connection,))
    assert bench.transport.sent == ["connected", "closing"]
    assert not bench.connection.gone


def _falls_due(bench: Bench, *, within_s: float) -> list[tuple[float, int]]:
    """What the deadlines say of the connection in each tenth of a second from now on, but for heartbeats."""
    now, deadlines = time.monotonic(), bench.pump.deadlines
    steps = [round(step * 0.1, 1) for step in range(int(within_s * 10) + 1)]
    found = [(step, due) for step in steps for _, due in deadlines.due(now + step)]
    return [(step, due) for step, due in found if due != Due.HEARTBEAT]


@pytest.mark.parametrize(("before_s", "after_s"), [(8.0, 4.0), (4.0, 8.0)], ids=["sooner", "later"])
async def test_a_new_token_ends_when_it_ends(before_s: float, after_s: float) -> None:
    """Whichever ends first, the old one's end is forgotten, and that of the new one is told before, once."""
    bench = Bench()
    bench.transport.gate.set()
    bench.connection.expires_at = time.time() + before_s
    bench.registry.open(bench.connection)
    bench.registry.renew(bench.connection, token=TokenFacts("alice", "new"), expires_at=time.time() + after_s)
    assert bench.connection.token.token_id == "new"
    due = _falls_due(bench, within_s=after_s + 0.5)
    assert [what for _, what in due if what != Due.TOKEN_END] == [Due.EXPIRING]
    assert after_s * 0.75 <= due[0][0] < after_s * 0.75 + 0.3
    assert due[1][1] == Due.TOKEN_END
    assert after_s <= due[1][0] < after_s + 0.3
    bench.registry.leave(bench.connection)


async def test_what_was_to_be_said_of_the_old_token_is_not_said_of_the_new_one() -> None:
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    bench.connection.due |= Due.EXPIRING
    bench.registry.renew(bench.connection, token=TokenFacts("alice", "new"), expires_at=time.time() + 1000)
    assert not bench.connection.due & Due.EXPIRING
    await until(lambda: not bench.connection.busy)
    bench.registry.leave(bench.connection)


async def test_a_connection_that_ends_takes_no_new_token() -> None:
    """Nor does one that has left."""
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    bench.registry.end(bench.connection, "revoked")
    bench.registry.renew(bench.connection, token=TokenFacts("alice", "new"), expires_at=0)
    bench.registry.leave(bench.connection)
    bench.registry.renew(bench.connection, token=TokenFacts("alice", "new"), expires_at=0)
    await until(lambda: not bench.connection.busy)
    assert bench.connection.token.token_id == ""


async def test_many_who_are_not_enabled_any_more_are_ended_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they do not all come back at once."""
    monkeypatch.setattr(rollout, "END_AT_ONCE", 0)
    monkeypatch.setattr(rollout, "END_WITHIN_S", 0.01)
    bench = Bench()
    bench.transport.gate.set()
    bench.registry.open(bench.connection)
    gate = rollout.RolloutGate(bench.registry, Rollout())
    assert await gate.set(Rollout(percent=0)) == 1
    await until(lambda: bench.transport.sent[-1:] == ["end"])
    assert bench.transport.sent == ["connected", "closing", "end"]


async def test_a_connection_admitted_before_its_token_was_revoked_is_told_of_it() -> None:
    """It was in no list yet when the revocation came."""
    revoked = Revoked()
    bench = Bench()
    bench.transport.gate.set()
    bench.registry = Registry(bench.pump, bench.hub, metrics(), revoked=revoked)
    bench.connection.token = TokenFacts("alice", "t")
    revoked.hold("t", until=time.time() + 60)
    bench.registry.open(bench.connection)
    await until(lambda: bench.transport.sent[-1:] == ["end"])
    assert bench.transport.sent == ["connected", "closing", "end"]


async def test_who_keeps_a_journal_hears_of_a_log_that_broke_off() -> None:
    """Before the reset is written: the row of what was written until then ends there."""
    bench = Bench()
    bench.transport.gate.set()
    moved: list[Reset] = []
    bench.pump.on_moved = lambda _, reset: moved.append(reset)
    bench.registry.open(bench.connection)
    await until(lambda: bench.transport.sent == ["connected"])
    bench.tail.restart("f", start=7)
    bench.pump.drive([bench.connection])
    await until(lambda: "reset" in bench.transport.sent)
    assert [reset.reason for reset in moved] == ["unknown_epoch"]
