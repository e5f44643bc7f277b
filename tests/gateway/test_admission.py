"""Who is let in: nobody while this process drains, and nobody of whom the log cannot be asked."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from notify_sse.auth import PUBLISH, READ, Grant
from notify_sse.core.hub import Hub
from notify_sse.core.tail import Tail
from notify_sse.errors import Forbidden, Overloaded
from notify_sse.gateway import admission as module
from notify_sse.gateway.admission import Admission, Limits
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.telemetry.outage import Outage
from tests.gateway.one_connection import SlowTransport
from tests.support.doubles import HandStore, metrics, notification, running


class Bench:
    """An admission, and a relay that fills its tail from a log of three events."""

    def __init__(self) -> None:
        self.store = HandStore()
        self.store.database.append([notification(f"n{number}") for number in range(3)])
        self.tail = Tail(max_events=10, max_bytes=10**6)
        hub: Hub[Connection] = Hub()
        pump = Pump(self.store.port, self.tail, metrics(), heartbeat_s=15, stall_s=30, max_replays=1, retry_ms=1)
        self.relay = Relay(self.store.port, self.tail, hub, metrics(), outage=Outage("the store"), drive=pump.drive)
        self.admission = Admission(
            self.tail,
            self.relay,
            Registry(pump, hub, metrics()),
            metrics(),
            limits=Limits(max_streams=10, max_streams_per_recipient=5, serves=True),
        )

    @asynccontextmanager
    async def filled(self) -> AsyncIterator[Admission]:
        """The admission, once its tail is filled."""
        async with running(self.relay.run(max_events=10, max_bytes=10**6)):
            await self.relay.when_filled()
            yield self.admission


async def test_a_process_that_drains_answers_no_reader_and_takes_no_stream() -> None:
    """Each is told when to come back, somewhere else by then."""
    async with Bench().filled() as admission:
        admission.check_serving()
        admission.check_room()
        admission.draining = True
        for check in (admission.check_serving, admission.check_room):
            with pytest.raises(Overloaded) as caught:
                check()
            assert caught.value.retry_after_s > 0


async def test_a_new_token_is_of_the_same_recipient_and_grants_what_is_read() -> None:
    async with Bench().filled() as admission:
        first = _grant(topics=["news"])
        connection = await admission.admit(first, SlowTransport(), topics=["news"], last_event_id=None)
        admission.check_renewal(_grant(topics=["news", "more"]), connection)
        for other in (_grant(subject="mallory", topics=["news"]), _grant(), _grant(topics=["news"], scopes=[PUBLISH])):
            with pytest.raises(Forbidden):
                admission.check_renewal(other, connection)


def _grant(*, subject: str = "alice", topics: Sequence[str] = (), scopes: Sequence[str] = (READ,)) -> Grant:
    return Grant(
        subject=subject,
        scopes=frozenset(scopes),
        topics=frozenset(topics),
        expires_at=time.time() + 60,
        issued_at=None,
        token_id="t",
    )


async def test_a_cursor_beyond_the_tail_is_refused_while_the_log_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may come from a process that is ahead: to say `reset` would be a guess."""
    monkeypatch.setattr(module, "CATCH_UP_S", 0.01)
    bench = Bench()
    async with bench.filled() as admission:
        bench.store.gate.clear()
        with pytest.raises(Overloaded, match="the log cannot be read"):
            await admission.place(f"{bench.tail.epoch}.9")
        bench.store.gate.set()
        assert (await admission.place(f"{bench.tail.epoch}.2")).reset is None
