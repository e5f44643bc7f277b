"""Carries a schedule of faults out on a world, and heals each.

Several may strike at once, but only one at a time on a server or a process. Those that are to strike alone wait until
everything else is healed; the time that all streams then take to catch up is measured.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import asyncpg

from tests.fault.clientside import Clientside
from tests.fault.fleet import Gateway
from tests.fault.network import KINDS, Network
from tests.fault.schedule import Fault
from tests.fault.world import World

AT_ONCE = 6
CATCH_UP_S = 30.0
SERVER_KINDS = frozenset(
    ("kill broker", "freeze broker", "memory alarm", "kill postgres", "freeze postgres", "disk full", "cut backends")
)

HARMLESS = frozenset(("mass drop", "token expiry", "crowd", "forged cursor", "retention in replay", "never announced"))
"""They break nothing but what they are about."""


class Nemesis:
    """`struck` counts the faults that took place, by kind."""

    def __init__(self, world: World) -> None:
        self.struck: Counter[str] = Counter()
        self.failed: list[str] = []
        self.timeline: list[tuple[float, float, Fault]] = []
        """When each fault began and was undone, in seconds from the start."""
        self._world = world
        self._running: set[asyncio.Task[None]] = set()
        self._later: list[Fault] = []
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._postgres = asyncio.Lock()
        self._broker = asyncio.Lock()
        self._network = Network(world.links)
        self._clientside = Clientside(world)
        self._does: dict[str, Callable[[Fault], Awaitable[bool]]] = self._process_faults() | self._server_faults()
        self._does |= dict.fromkeys(KINDS, self._network.strike)
        self._does |= self._clientside.does()

    def _process_faults(self) -> dict[str, Callable[[Fault], Awaitable[bool]]]:
        return {
            "kill gateway": lambda fault: self._kill(self._gateway(fault), fault),
            "kill ingester": self._kill_ingester,
            "kill worker": self._kill_worker,
            "freeze gateway": lambda fault: self._freeze(self._gateway(fault), fault),
            "freeze ingester": self._freeze_ingester,
            "failover freeze": self._freeze_ingester,
            "SIGTERM restart": lambda fault: self._restart(self._gateway(fault)),
            "rolling restart": self._rolling,
        }

    def _server_faults(self) -> dict[str, Callable[[Fault], Awaitable[bool]]]:
        return {
            "kill broker": self._kill_broker,
            "freeze broker": self._freeze_broker,
            "close_all_connections": self._close_all,
            "memory alarm": self._memory_alarm,
            "live queue overflow": self._overflow,
            "kill postgres": self._kill_postgres,
            "freeze postgres": self._freeze_postgres,
            "cut backends": self._cut_backends,
            "disk full": self._disk_full,
        }

    @property
    def slow(self) -> list[str]:
        """Recoveries that took long."""
        return self._clientside.slow

    async def run(self, faults: Iterator[Fault], *, mean_gap_s: float, enough: Callable[[], bool]) -> None:
        """Strike until `enough`; returns once everything is healed."""
        for fault in faults:
            began = time.monotonic()
            while time.monotonic() - began < fault.after * mean_gap_s:
                if enough():
                    break
                await asyncio.sleep(0.05)
            if enough():
                break
            self._later, due = [], [*self._later, fault]
            for one in due:
                await self._strike(one)
        await self.heal()

    async def _strike(self, fault: Fault) -> None:
        if fault.alone and fault.kind in SERVER_KINDS:
            await self._settle()
            await self._clientside.calm_down(within_s=CATCH_UP_S)
            await self._carry_out(fault)
            await self._clientside.measure_catch_up(fault.kind, within_s=CATCH_UP_S)
            return
        await self._slots.acquire()
        task = asyncio.create_task(self._carry_out(fault))
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _carry_out(self, fault: Fault) -> None:
        ledger = self._world.ledger
        ledger.broken += fault.kind not in HARMLESS
        began = ledger.now()
        try:
            if await self._does[fault.kind](fault):
                self.struck[fault.kind] += 1
            else:
                self._later.append(fault)
        except Exception as exc:  # noqa: BLE001 - the campaign goes on, and fails in the end
            self.failed.append(f"fault {fault.number}, {fault.kind}: {exc!r}")
        finally:
            self.timeline.append((began, ledger.now(), fault))
            ledger.broken -= fault.kind not in HARMLESS
            if fault.kind not in HARMLESS:
                ledger.healed_at = time.monotonic()

    async def _settle(self) -> None:
        if self._running:
            await asyncio.wait(self._running)

    async def heal(self) -> None:
        """Wait for what is under way to be healed, and make sure that everything runs."""
        await self._settle()
        self._network.clear()
        await self._world.links.flow_all()
        await asyncio.to_thread(self._world.servers.revive_postgres)
        await asyncio.to_thread(self._world.servers.revive_rabbitmq)

    # The processes of the service.

    def _gateway(self, fault: Fault) -> Gateway:
        return self._world.gateway_by(fault.victim)

    async def _ingester(self, fault: Fault) -> Gateway:
        return await self._world.fleet.active() or self._gateway(fault)

    async def _kill(self, gateway: Gateway, fault: Fault) -> bool:
        async with gateway.busy:
            await gateway.kill()
            await asyncio.sleep(fault.for_s)
            await gateway.start()
        return True

    async def _kill_ingester(self, fault: Fault) -> bool:
        return await self._kill(await self._ingester(fault), fault)

    async def _kill_worker(self, fault: Fault) -> bool:
        gateway = self._world.fleet.gateways[-1]
        async with gateway.busy:
            workers = gateway.workers()
            if not workers:
                return False
            workers[int(fault.strength * len(workers))].send(signal.SIGKILL)
        return True

    async def _freeze(self, gateway: Gateway, fault: Fault) -> bool:
        async with gateway.busy:
            gateway.service.freeze()
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                gateway.service.thaw()
        return True

    async def _freeze_ingester(self, fault: Fault) -> bool:
        return await self._freeze(await self._ingester(fault), fault)

    async def _restart(self, gateway: Gateway) -> bool:
        async with gateway.busy:
            try:
                await gateway.terminate(within_s=self._world.plan.drain_s + 10)
            except TimeoutError:
                self.failed.append(f"gateway {gateway.number} did not end within its drain time")
                await gateway.kill()
            await gateway.start()
        return True

    async def _rolling(self, _: Fault) -> bool:
        return await self.restart_all()

    async def restart_all(self) -> bool:
        """SIGTERM every gateway, one after the other, each started again before the next."""
        for gateway in self._world.fleet.gateways:
            await self._restart(gateway)
        return True

    # RabbitMQ.

    async def _kill_broker(self, fault: Fault) -> bool:
        rabbitmq = self._world.servers.rabbitmq
        async with self._broker:
            await asyncio.to_thread(rabbitmq.kill)
            await asyncio.sleep(fault.for_s)
            await asyncio.to_thread(rabbitmq.start)
        return True

    async def _freeze_broker(self, fault: Fault) -> bool:
        rabbitmq = self._world.servers.rabbitmq
        async with self._broker:
            rabbitmq.freeze()
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                rabbitmq.thaw()
        return True

    async def _close_all(self, _: Fault) -> bool:
        async with self._broker:
            await self._world.servers.ctl("close_all_connections", "a fault")
        return True

    async def _memory_alarm(self, fault: Fault) -> bool:
        rabbitmq = self._world.servers.rabbitmq
        async with self._broker:
            await asyncio.to_thread(rabbitmq.raise_memory_alarm)
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                await asyncio.to_thread(rabbitmq.clear_memory_alarm)
        return True

    async def _overflow(self, fault: Fault) -> bool:
        """Nothing is read from one gateway's live queue, which holds few: the broker throws the oldest away."""
        await self._network.overflow(f"mq-{self._gateway(fault).number}", for_s=fault.for_s)
        return True

    # Postgres.

    async def _kill_postgres(self, fault: Fault) -> bool:
        servers = self._world.servers
        async with self._postgres:
            await asyncio.to_thread(servers.postgres.kill)
            await asyncio.sleep(fault.for_s)
            await asyncio.to_thread(servers.revive_postgres)
        return True

    async def _freeze_postgres(self, fault: Fault) -> bool:
        postgres = self._world.servers.postgres
        async with self._postgres:
            postgres.freeze()
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                postgres.thaw()
        return True

    async def _cut_backends(self, fault: Fault) -> bool:
        """The server ends a share of its connections, in whatever they are doing."""
        statement = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < $1"
        )
        async with self._postgres:
            with suppress(OSError, asyncpg.PostgresError, TimeoutError):
                connection = await asyncpg.connect(self._world.servers.postgres.url, timeout=3)
                try:
                    await connection.fetchval(statement, 0.3 + fault.strength)
                finally:
                    connection.terminate()
                return True
        return False

    async def _disk_full(self, fault: Fault) -> bool:
        servers = self._world.servers
        async with self._postgres:
            await asyncio.to_thread(servers.fill_disk)
            try:
                await asyncio.sleep(fault.for_s)
            finally:
                await asyncio.to_thread(servers.free_disk)
        return True
