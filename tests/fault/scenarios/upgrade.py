"""Three gateways go from this version to the next and back, one after the other, under load; a crash at every step.

Both are built as they are shipped (`tests/fault/builds.py`). The next version's `migrate` is killed in its transaction,
and run again. Then at each step a host drains and comes back as the other version, and meanwhile one process dies by
SIGKILL: a neighbour; or the host itself, in its drain; or the newcomer, while it starts.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random

import asyncpg

from notify_sse.store.schema import VERSION_TABLE
from tests.fault.builds import Build, both
from tests.fault.finding import Finding
from tests.fault.fleet import Gateway
from tests.fault.http import fetch
from tests.fault.publishers import Http, Lane, OurAmqp, Way
from tests.fault.stage import Given, Stage
from tests.support.checker import counts
from tests.support.polling import eventually
from tests.support.services import private_directory

DRAIN_S = 1.0
CHANNELS = 12
MIGRATE = (sys.executable, "-m", "notify_sse", "migrate")
ENV = {"DRAIN_S": str(DRAIN_S), "RETRY_MS": "300"}
MIGRATING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT pg_sleep%'"


class Rolling:
    """What each host has to run, and the steps between."""

    def __init__(self, finding: Finding, stage: Stage, now: Build, *, random: Random) -> None:
        self.steps = self.crashes = 0
        self._finding, self._stage, self._now, self._random = finding, stage, now, random
        self._runs = {gateway.number: now for gateway in stage.gateways}
        self._crash: list[Callable[[Gateway, Build], Awaitable[None]]] = [
            self._with_a_neighbour_killed,
            self._killed_in_its_drain,
            self._killed_in_its_start,
        ]

    async def step(self, gateway: Gateway, to: Build) -> None:
        """`gateway` is replaced by `to`, with the crash whose turn it is; then all serve, as what they have to."""
        crash = self._crash[(self.steps + self.steps // 3) % len(self._crash)]
        self.steps += 1
        self.crashes += 1
        self._runs[gateway.number] = to
        await crash(gateway, to)
        await self.all_serve(after=f"step {self.steps}, {crash.__name__.strip('_')}, {gateway.number} to {to.version}")

    async def all_serve(self, *, after: str) -> None:
        """No host is gone, and each runs what was installed there."""
        for gateway in self._stage.gateways:
            version, ready, metrics = self._runs[gateway.number].version, 0, b""
            with suppress(OSError, EOFError, TimeoutError):
                ready, _ = await fetch(gateway.service.port, "/readyz", within_s=10)
                _, metrics = await fetch(gateway.service.port, "/metrics", within_s=10)
            as_meant = ready == 200 and f'version="{version}"'.encode() in metrics
            self._finding.expect(as_meant, f"after {after}: host {gateway.number} does not serve as {version}")

    async def migrate(self, build: Build, database_url: str) -> None:
        """The command of `build` is killed in its transaction, and leaves nothing behind; meanwhile a host is killed,
        and comes back; the command, run again, ends with 0.
        """
        self.crashes += 2
        env = build.of(self._stage.gateways[0].service.env)
        first, _ = await asyncio.gather(_killed(env, database_url), self._restart(self._stage.gateways[-1]))
        self._finding.expect(first == self._now.revision, f"schema {first} behind a migrate that was killed")
        again = await asyncio.create_subprocess_exec(*MIGRATE, env=env, stdout=subprocess.DEVNULL)
        self._finding.expect(await again.wait() == 0, "migrate failed")
        self._finding.expect(await _revision(database_url) == build.revision, "migrate left the schema as it was")
        await self.all_serve(after="migrate")

    async def _restart(self, gateway: Gateway) -> None:
        """SIGKILL; it comes back as what is installed there."""
        await gateway.kill()
        await gateway.start()

    async def _replace(self, gateway: Gateway, to: Build) -> None:
        await gateway.terminate(within_s=30)
        to.install(gateway.service)
        await gateway.start()

    async def _with_a_neighbour_killed(self, gateway: Gateway, to: Build) -> None:
        others = [one for one in self._stage.gateways if one is not gateway]
        await asyncio.gather(self._replace(gateway, to), self._restart(self._random.choice(others)))

    async def _killed_in_its_drain(self, gateway: Gateway, to: Build) -> None:
        gateway.service.process.send(signal.SIGTERM)  # type: ignore[union-attr] # it runs
        await asyncio.sleep(self._random.uniform(0, DRAIN_S))
        await gateway.kill()
        to.install(gateway.service)
        await gateway.start()

    async def _killed_in_its_start(self, gateway: Gateway, to: Build) -> None:
        await gateway.terminate(within_s=30)
        to.install(gateway.service)
        await asyncio.to_thread(gateway.service.start, wait_ready=False)
        await asyncio.sleep(self._random.uniform(0.2, 2.0))
        await self._restart(gateway)


async def _killed(env: dict[str, str], database_url: str) -> str:
    """`migrate` dies within its transaction; the schema behind it."""
    command = await asyncio.create_subprocess_exec(*MIGRATE, env=env, stdout=subprocess.DEVNULL)
    connection = await asyncpg.connect(database_url)
    try:
        await eventually(lambda: connection.fetchval(MIGRATING), what="the further revision", within_s=60)
        os.kill(command.pid, signal.SIGKILL)
        await command.wait()
    finally:
        await connection.close()
    return await _revision(database_url)


async def _revision(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        return str(await connection.fetchval(f"SELECT version_num FROM {VERSION_TABLE}"))
    finally:
        await connection.close()


async def run(
    *,
    clients: int = 120,
    per_s: float = 100.0,
    rounds: int = 3,
    back: int = 3,
    seed: int = 1,
    given: Given | None = None,
) -> Finding:
    """`rounds` times all three to the next version, and `back` of them back to this one. `per_s` notifications a
    second, half of them over HTTP at whichever gateway answers, half over AMQP.
    """
    finding = Finding(f"upgrade: three gateways, N → N+1 → N, {clients} clients, {per_s:g} notifications/s")
    directory, random = private_directory(), Random(seed)
    try:
        this, coming = await both(directory)
        async with Stage(gateways=3, env=ENV, given=given, prepare=this.install) as stage:
            for number in range(clients):
                stage.read(f"user-{number % CHANNELS}", choose=lambda: random.choice(stage.gateways))
            finding.expect(await stage.all_connected(), "not everybody could connect")
            rolling = Rolling(finding, stage, this, random=random)
            async with _published(stage, per_s=per_s, random=random):
                await rolling.migrate(coming, stage.given.database_url)
                for _ in range(rounds):
                    for gateway in stage.gateways:
                        await rolling.step(gateway, coming)
                    for gateway in stage.gateways[:back]:
                        await rolling.step(gateway, this)
            await _judge(finding, stage, rolling)
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return finding


@asynccontextmanager
async def _published(stage: Stage, *, per_s: float, random: Random) -> AsyncIterator[None]:
    """Meanwhile each recipient gets notifications, in order; at the end everything is accepted."""
    token = stage.gateways[0].service.token("publisher", scope="notifications:publish")
    ways: list[Way] = [
        Http(lambda: random.choice(stage.gateways).service.port, token, stage.ledger),
        OurAmqp(stage.given.broker_url, stage.given.amqp_prefix),
    ]
    lanes = [
        Lane(
            "http" if number % 2 == 0 else "amqp",
            f"recipient:user-{number}",
            ways[number % 2],
            ledger=stage.ledger,
            rng=Random(f"lane {number}"),
            every_s=CHANNELS / per_s,
            give_up_s=120,
            mortal=0,
            abandon=0,
        )
        for number in range(CHANNELS)
    ]
    ended = asyncio.Event()
    running = [asyncio.create_task(lane.run(ended)) for lane in lanes]
    try:
        yield
        ended.set()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for way in ways:
            await way.close()


async def _judge(finding: Finding, stage: Stage, rolling: Rolling) -> None:
    """Each reader has all that was published for its recipient: once, in order, without a `reset`."""
    late = await stage.caught_up(within_s=60)
    ledger, wrong = stage.ledger, stage.judge()
    finding.note(
        {
            "steps, each with a crash": rolling.steps,
            "processes killed -9": rolling.crashes,
            "accepted": ledger.accepted,
            "delivered": ledger.delivered,
            "publishes tried again": ledger.seen["publishes retried"],
            "streams opened": sum(one.opened for one in stage.clients),
            **{kind: count for kind, count in counts(wrong).items() if kind in ("lost", "repeated", "reordered")},
        }
    )
    finding.expect(not late, f"{len(late)} have not caught up")
    finding.expect(ledger.accepted and ledger.delivered, "there was no load")
    finding.expect(set(stage.statuses()) == {200}, f"answers: {stage.statuses()}")
    for name, count in ledger.seen.items():
        finding.expect(not name.startswith(("reset", "wrongly refused", "published refused")), f"{name}: {count}")
    finding.wrong += map(str, wrong)
