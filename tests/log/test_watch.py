"""A process that only ingests knows whether its store is there."""

import pytest

from notify_sse.errors import StoreUnavailable
from notify_sse.log import watch as module
from notify_sse.log.watch import watch
from notify_sse.telemetry.outage import LOG_HEAD, Outage
from tests.support.doubles import HandStore, running
from tests.support.polling import until


async def test_a_store_is_seen_lost_and_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it answered once: a process that never saw its store is starting, not ready."""
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    store, outage = HandStore(), Outage("the store")
    store.gate.clear()
    async with running(watch(store.port, outage)):
        await until(lambda: store.calls["head"])
        assert not outage.reached(LOG_HEAD)
        store.gate.set()
        await until(lambda: outage.reached(LOG_HEAD))
        assert not outage.away(LOG_HEAD)
        store.failures = [StoreUnavailable("away")] * 3
        await until(lambda: outage.away(LOG_HEAD))
        assert outage.reached(LOG_HEAD)
        await until(lambda: not outage.away(LOG_HEAD))
