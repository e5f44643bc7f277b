"""How the parts of a process are wired."""

from pathlib import Path
from typing import Any

from notify_sse.config import read_settings
from notify_sse.server.process import Process
from notify_sse.telemetry.outage import LOG_HEAD
from tests.support.tokens import SECRET


def _process(tmp_path: Path, **overrides: Any) -> Process:
    environ = {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{tmp_path / 'log.db'}"}
    return Process(read_settings(environ, jwt_secret=SECRET, **overrides))


async def test_every_connect_to_the_broker_asks_the_log(tmp_path: Path) -> None:
    """What was announced meanwhile is lost; the once-a-second comparison would find it, but a second later."""
    process = _process(tmp_path)
    assert not process.parts.way_out.relay._wanted.is_set()
    process._connected()
    assert process.parts.way_out.relay._wanted.is_set()


async def test_a_process_is_ready_while_streams_can_be_served(tmp_path: Path) -> None:
    """What all processes share, the store and the broker, takes none of them out of service."""
    process = _process(tmp_path)
    outage = process.parts.store_outage
    assert process.parts.service.unready() == "starting"
    process.parts.way_out.relay._filled.set()
    outage.back(LOG_HEAD)
    outage.lost("append", "read only")
    assert (process.parts.service.unready(), process.parts.service.degraded()) == (None, ("broker",))
    outage.lost(LOG_HEAD, "refused")
    assert (process.parts.service.unready(), process.parts.service.degraded()) == (None, ("store", "broker"))
    outage.back(LOG_HEAD)
    assert (process.parts.service.unready(), process.parts.service.degraded()) == (None, ("broker",))
    process.parts.way_out.admission.draining = True
    assert process.parts.service.unready() == "draining"


async def test_a_process_that_only_ingests_is_ready_once_it_has_seen_the_store(tmp_path: Path) -> None:
    """It has no tail to fill."""
    process = _process(tmp_path, role="ingest", broker_url="amqp://localhost/")
    outage = process.parts.store_outage
    outage.lost(LOG_HEAD, "refused")
    assert process.parts.service.unready() == "starting"
    outage.back(LOG_HEAD)
    assert process.parts.service.unready() is None
    outage.lost(LOG_HEAD, "refused")
    assert process.parts.service.unready() is None
    assert "store" in process.parts.service.degraded()
