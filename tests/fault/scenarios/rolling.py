"""A rolling restart of all gateways by SIGTERM, under load: clients see reconnects, and nothing else."""

import asyncio
import time

from tests.fault.finding import Finding
from tests.fault.nemesis import Nemesis
from tests.fault.world import Plan, World
from tests.support.checker import check


async def run(*, clients: int = 200, rounds: int = 3, rate_per_s: float = 200.0, seed: int = 1) -> Finding:
    """`rounds` times every gateway in turn, while notifications are published."""
    finding = Finding(f"rolling: three gateways restarted {rounds} times each, {clients} clients, {rate_per_s:g}/s")
    plan = Plan(seed=seed, clients=clients, rate_per_s=rate_per_s, small_disk=False, stay_s=1e9)
    async with World(plan) as world:
        nemesis = Nemesis(world)
        world.start_publishing()
        finding.expect(await world.everybody_connected(), "not everybody could connect")
        await asyncio.sleep(2)
        began = time.monotonic()
        for _ in range(rounds):
            await nemesis.restart_all()
        took_s = time.monotonic() - began
        await world.stop_publishing()
        late = await world.converge()
        seen, first = world.ledger.seen, world.ledger.times["client back → first missed event"]
        finding.note(
            {
                "restarts": rounds * plan.gateways,
                "each took, s": took_s / rounds / plan.gateways,
                "accepted": world.ledger.accepted,
                "delivered": world.ledger.delivered,
                "streams told `closing` (drain)": seen["closing drain"],
                "connects that failed": seen["connects failed"],
                "client back → first missed event, p99 s": first.percentile(0.99),
                "answers": dict(world.ledger.answers),
            }
        )
        finding.expect(not late, f"not converged: {late[:5]}")
        finding.expect(set(world.ledger.answers) == {200}, f"answers: {world.ledger.answers}")
        finding.expect(not seen["published unknown"], f"{seen['published unknown']} publishes without an answer")
        finding.wrong += nemesis.failed + world.errors + world.fleet.died + world.scribe.gaps
        finding.wrong += map(str, check(world.ledger.history))
    return finding
