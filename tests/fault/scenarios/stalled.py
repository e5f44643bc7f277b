"""Many readers that read nothing beside healthy ones: the healthy do not notice, and memory does not grow.

The stalled are sent far more than the kernel takes for them. Those that go on in time read on where they were; those
that do not are cut off, come back with their cursor, and miss nothing either.
"""

import asyncio
import socket

from tests.fault.clients import Habits
from tests.fault.finding import Finding
from tests.fault.stage import Given, Stage, resident_bytes

MEBIBYTE = 1 << 20
FLOOD_BYTES = 10_000
HEALTHY = 50
PER_S = 60.0


async def run(*, stalled: int = 1000, flood: int = 60, phase_s: float = 10.0, given: Given | None = None) -> Finding:
    """`flood` notifications of 10 kB to each of `stalled` readers that have stopped to read."""
    finding = Finding(f"stalled: {stalled} readers that read nothing, {flood * FLOOD_BYTES / 1000:.0f} kB for each")
    stall_s = phase_s + 3 + flood * stalled / 6000
    async with Stage(given=given, env={"STALL_S": str(stall_s), "HEARTBEAT_S": "5"}) as stage:
        gateway = stage.gateways[0]
        small = Habits(stay_s=1e9, away_s=1.0, prepare=_small_buffer)
        sluggish = [stage.read(f"slow-{number}", topics=["flood"], habits=small) for number in range(stalled)]
        healthy = [f"healthy-{number}" for number in range(HEALTHY)]
        for recipient in healthy:
            stage.read(recipient)
        finding.expect(await stage.all_connected(), "not everybody could connect")
        await stage.paced(healthy, phase="warm-up", per_s=PER_S, for_s=2)
        await stage.paced(healthy, phase="alone", per_s=PER_S, for_s=phase_s)
        before = resident_bytes(gateway.service)
        for client in sluggish:
            client.stall()
        for _ in range(flood):
            await stage.publish([stage.document(topic="flood", text="f" * FLOOD_BYTES)])
        await asyncio.sleep(1)
        await stage.paced(healthy, phase="beside stalled readers", per_s=PER_S, for_s=phase_s)
        grown = resident_bytes(gateway.service) - before
        half = sluggish[: stalled // 2]
        for client in half:
            client.go_on()
        await asyncio.sleep(3 + flood * stalled / 6000)
        for client in sluggish:
            client.go_on()
        late = await stage.caught_up(within_s=90)
        cut = int((await gateway.scrape())["streams_closed slow_consumer"])
        _figures(finding, stage, grown=grown, cut=cut)
        finding.expect(cut >= 0.3 * stalled, f"only {cut} were cut off")
        finding.expect(not late, f"{len(late)} are behind: {late[:5]}")
        finding.wrong += map(str, stage.judge())
    return finding


def _figures(finding: Finding, stage: Stage, *, grown: int, cut: int) -> None:
    alone, beside = stage.p99_ms("alone"), stage.p99_ms("beside stalled readers")
    finding.note(
        {
            "healthy p99 before, ms": alone,
            "healthy p99 beside them, ms": beside,
            "memory of the gateway grew by, MiB": grown / MEBIBYTE,
            "stalled streams cut off": cut,
            "delivered in the end": stage.ledger.delivered,
        }
    )
    finding.expect(beside <= max(2 * alone, 5.0), f"p99 went from {alone:.1f} to {beside:.1f} ms")
    finding.expect(grown < 64 * MEBIBYTE, f"memory grew by {grown / MEBIBYTE:.0f} MiB")


def _small_buffer(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
