"""Peers that are gone without a word: the kernel drops every packet between them and the gateway, both ways.

The gateway notices in time, and their neighbours do not; once the network is back, nothing was missed.
"""

import asyncio
import itertools
import socket
import time
from collections.abc import Callable

from tests.fault import packets
from tests.fault.clients import Habits
from tests.fault.finding import Finding
from tests.fault.packets import PacketFilter
from tests.fault.stage import Given, Stage

PORTS = range(19_000, 19_900)
"""Where the half-open clients connect from: outside the kernel's range, so that the filter meets nobody else."""
STALL_S = 5.0
NOTICED_S = 4 * STALL_S


async def run(*, clients: int = 50, given: Given | None = None) -> Finding:
    """As many half-open as healthy ones. Needs root."""
    finding = Finding(f"half-open: {clients} of {2 * clients} clients behind a network that drops everything")
    if not packets.available():
        finding.note({"not done here": "needs root and iptables"})
        return finding
    async with Stage(given=given, env={"HEARTBEAT_S": "1", "STALL_S": str(STALL_S)}) as stage:
        gateway, filter_ = stage.gateways[0], PacketFilter()
        lost = Habits(stay_s=1e9, prepare=_from(itertools.cycle(PORTS)))
        for number in range(clients):
            stage.read(f"lost-{number}", habits=lost, heartbeat_s=1)
            stage.read(f"healthy-{number}", heartbeat_s=1)
        finding.expect(await stage.all_connected(), "not everybody could connect")
        healthy = stage.clients[1::2]
        opened = sum(one.opened for one in healthy)
        began = time.monotonic()
        span = f"{PORTS.start}:{PORTS.stop - 1}"
        with filter_.dropping(span):
            await stage.publish([stage.document(topic="all") for _ in range(20)])
            noticed = await _until_streams(stage, clients, within_s=NOTICED_S)
            noticed_s = time.monotonic() - began
        back = await stage.all_connected(within_s=30)
        late = await stage.caught_up(within_s=20)
        finding.note({"the gateway let go of them, s": noticed_s})
        finding.expect(noticed, f"the gateway still held {await _streams(stage)} streams after {NOTICED_S:g} s")
        finding.expect(back, "not everybody came back")
        finding.expect(not late, f"{len(late)} are behind")
        finding.expect(sum(one.opened for one in healthy) == opened, "healthy streams were cut")
        finding.expect(gateway.service.running, "the gateway ended")
        finding.wrong += map(str, stage.judge())
    return finding


def _from(ports: "itertools.cycle[int]") -> Callable[[socket.socket], None]:
    def bind(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", next(ports)))

    return bind


async def _streams(stage: Stage) -> int:
    return int((await stage.gateways[0].scrape())["streams"])


async def _until_streams(stage: Stage, count: int, *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while await _streams(stage) > count:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True
