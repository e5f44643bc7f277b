"""A long replay to many at once: bounded memory, and live streams that hardly notice."""

import asyncio
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fault.finding import Finding
from tests.fault.stage import Given, Stage, resident_bytes

MEBIBYTE = 1 << 20
HEALTHY = 20
PER_S = 50.0
_ID = re.compile(rb"^id: [^.\n]+\.(\d+)\ndata", re.MULTILINE)


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
        with TemporaryDirectory() as directory:
            files = [Path(directory) / f"replay-{number}" for number in range(clients)]
            live = asyncio.create_task(stage.paced(healthy, phase="during replays", per_s=PER_S, for_s=600))
            readers = await asyncio.gather(*(_replay(stage, number, file) for number, file in enumerate(files)))
            last = f"{stage.scribe.epoch}.{events}".encode()
            while not all(last in _end_of(file) for file in files) and time.monotonic() < began + 300:
                peak = max(peak, resident_bytes(service))
                await asyncio.sleep(0.1)
            took_s = time.monotonic() - began
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            for reader in readers:
                reader.kill()
                await reader.wait()
            ids = [_ids(file) for file in files]
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
        finding.expect(all(map(len, ids)), f"replayed: {[len(one) for one in ids]}")
        finding.expect(all(one == list(range(1, events + 1)) for one in ids), "a replay is not whole, or not in order")
        finding.expect(each <= 32, f"{each:.0f} MiB extra memory for each")
        finding.expect(during <= max(2 * alone, 5.0), f"live p99 went from {alone:.1f} to {during:.1f} ms")
    return finding


async def _replay(stage: Stage, number: int, to: Path) -> asyncio.subprocess.Process:
    """A curl, which takes little of the machine and nothing of this process, whose own clients are measured."""
    service = stage.gateways[0].service
    token = service.token(f"replayed-{number}", topics=["long"])
    headers = (f"Authorization: Bearer {token}", f"Last-Event-ID: {stage.scribe.epoch}.0", "Accept: text/event-stream")
    command = ["curl", "-sN", "-o", str(to), *(part for one in headers for part in ("-H", one))]
    return await asyncio.create_subprocess_exec("nice", *command, f"{service.url}/notifications/stream?topics=long")


def _end_of(file: Path) -> bytes:
    """As much as holds the last event; nothing while there is no file yet."""
    if not file.exists():
        return b""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 2000))
        return opened.read()


def _ids(file: Path) -> list[int]:
    return [int(found) for found in _ID.findall(file.read_bytes())]
