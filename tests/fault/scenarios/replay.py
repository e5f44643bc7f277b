"""A long replay to many at once: bounded memory, and live streams that hardly notice."""

import asyncio
import re
import time

from tests.fault.finding import Finding
from tests.fault.stage import Given, Stage, resident_bytes
from tests.harness.streams import OpenStream

MEBIBYTE = 1 << 20
HEALTHY = 20
PER_S = 50.0
_ID = re.compile(rb"^id: [^.\n]+\.(\d+)\ndata", re.MULTILINE)


class Counting(OpenStream):
    """Counts what is replayed, and that its ids go up by one, without parsing the rest."""

    expected = 0
    total = 0
    disordered = 0
    rest = b""

    def _take(self, data: bytes) -> None:
        blocks, end, self.rest = (self.rest + data).rpartition(b"\n\n")
        for found in _ID.findall(blocks + end):
            self.total += 1
            self.disordered += int(found) != self.expected + 1
            self.expected = int(found)


async def run(*, events: int = 100_000, clients: int = 20, phase_s: float = 8.0, given: Given | None = None) -> Finding:
    """`events` in the log for one topic; `clients` of it come back for all of them at the same moment."""
    finding = Finding(f"replay: {events} events to {clients} clients at once")
    async with Stage(given=given, env={"TAIL_MAX_EVENTS": "2000", "HEARTBEAT_S": "5"}) as stage:
        service = stage.gateways[0].service
        healthy = [f"healthy-{number}" for number in range(HEALTHY)]
        for recipient in healthy:
            stage.read(recipient)
        finding.expect(await stage.all_connected(), "not everybody could connect")
        documents = [stage.document(topic="long", text="x" * 100) for _ in range(events)]
        await stage.publish(documents)
        await stage.paced(healthy, phase="warm-up", per_s=PER_S, for_s=1)
        await stage.paced(healthy, phase="alone", per_s=PER_S, for_s=phase_s)
        await stage.scribe.catch_up()
        before, peak = resident_bytes(service), 0
        began = time.monotonic()
        streams = await asyncio.gather(*(_replay(stage, number) for number in range(clients)))
        live = asyncio.create_task(stage.paced(healthy, phase="during replays", per_s=PER_S, for_s=600))
        while any(stream.total < events for stream in streams) and time.monotonic() < began + 300:
            peak = max(peak, resident_bytes(service))
            await asyncio.sleep(0.1)
        took_s = time.monotonic() - began
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
        for stream in streams:
            stream.drop()
        alone, during = stage.p99_ms("alone"), stage.p99_ms("during replays")
        each = max(0, peak - before) / clients / MEBIBYTE
        finding.note(
            {
                "all replayed, s": took_s,
                "events replayed a second": clients * events / took_s,
                "extra memory for each, MiB": each,
                "live p99 alone, ms": alone,
                "live p99 during replays, ms": during,
            }
        )
        finding.expect(all(one.total == events for one in streams), f"replayed: {[one.total for one in streams]}")
        finding.expect(not any(one.disordered for one in streams), "a replay has gaps")
        finding.expect(each <= 32, f"{each:.0f} MiB extra memory for each")
        finding.expect(during <= max(2 * alone, 5.0), f"live p99 went from {alone:.1f} to {during:.1f} ms")
    return finding


async def _replay(stage: Stage, number: int) -> Counting:
    service = stage.gateways[0].service
    token = service.token(f"replayed-{number}", topics=["long"])
    request = (
        f"GET /notifications/stream?topics=long HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {token}\r\nLast-Event-ID: {stage.scribe.epoch}.0\r\n\r\n"
    ).encode()
    _, stream = await asyncio.get_running_loop().create_connection(
        lambda: Counting(request, last_event_id="", on_message=lambda _: None), "127.0.0.1", service.port
    )
    return stream
