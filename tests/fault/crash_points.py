"""kill -9 at every named point between consume and ack, around each commit, in retention, drains and replays.

One world for all of it: the process that dies (A) is the only one that ingests and that takes HTTP publishes; another
(B) serves streams through all of A's lives. So what A committed before it died reaches B's streams by B's own
comparison with the log's head alone, as long as nothing follows: that is measured too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final, Self

import msgspec

from tests.fault.clients import Client, Habits, look_after
from tests.fault.dead_letters import wrong_dead_letters
from tests.fault.fleet import Fleet, Gateway
from tests.fault.launch import BUG, POINTS, Point
from tests.fault.ledger import Ledger
from tests.fault.publishers import ForeignAmqp, Http, Lane, OurAmqp, Spoiler
from tests.fault.scribe import Scribe
from tests.fault.servers import Servers
from tests.support.checker import check
from tests.support.polling import becomes_true
from tests.support.services import free_port

NEVER_ANNOUNCED: Final = "committed, never announced, nothing follows"
SETTINGS: Final = {
    "HEARTBEAT_S": "1",
    "DRAIN_S": "2",
    "RETRY_MS": "300",
    "PUBLISH_TIMEOUT_S": "5",
    "TAIL_MAX_EVENTS": "40",
}
RETENTION_S: Final = 20.0
"""At the points within retention; elsewhere an hour. It must be longer than a message can stay unacked over several of
A's lives, or the log has forgotten it when it comes again.
"""
RECIPIENTS: Final = ("alice", "bob", "#", "a.b", "Zoë")
DIES_WITHIN_S: Final = 30.0


class Row(msgspec.Struct):
    """What became of one point."""

    point: str
    runs: int = 0
    died: int = 0
    violations: int = 0


class Crashes:
    """The world of the crash points; an async context manager."""

    def __init__(self, *, seed: int = 1) -> None:
        self.ledger = Ledger()
        self.ledger.broken = 1  # something always is
        self.servers = Servers()
        self.rng = Random(seed)
        self.clients: list[Client] = []
        self.rows: list[Row] = []
        self.wrong: list[str] = []
        self.held: set[str] = set()
        """Clients that may not connect now."""
        self.sent_to_a: set[str] = set()
        self._confirmed: set[str] = set()
        self._known = 0
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        await self.servers.start()
        self.fleet = Fleet(
            self.servers.directory,
            count=2,
            urls=[{"broker_url": self.servers.rabbitmq.url, "database_url": self.servers.postgres.url}] * 2,
            service_ports=[free_port(), free_port()],
            amqp_prefix="crash",
            env=SETTINGS,
            roles=["all", "gateway"],
        )
        self.a, self.b = self.fleet.gateways
        await self.fleet.start()
        self.scribe = Scribe(self.servers.postgres.url, self.ledger)
        for number, recipient in enumerate((*RECIPIENTS, *RECIPIENTS)):
            self.clients.append(self._client(f"reader-{number}", recipient, at=self.b if number % 2 else None))
        for work in (self.scribe.follow(every_s=0.2), look_after(self.clients), *(one.run() for one in self.clients)):
            self._tasks.append(asyncio.create_task(work))
        await becomes_true(lambda: all(one.connected for one in self.clients), within_s=20)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.scribe.close()
        await self.fleet.stop()
        await self.servers.stop()

    def _client(self, name: str, recipient: str, *, at: Gateway | None) -> Client:
        rng = Random(name)

        def choose(_: bool) -> int:
            if name in self.held:
                raise ConnectionRefusedError
            if name in self.sent_to_a:
                return self.a.service.port
            return (at or rng.choice((self.a, self.a, self.b))).service.port

        return Client(
            name,
            recipient=recipient,
            topics=(),
            ledger=self.ledger,
            rng=rng,
            habits=Habits(stay_s=20.0, away_s=0.2),
            choose=choose,
            token=lambda sub, topics, ttl_s: self.b.service.token(sub, topics=topics, ttl_s=ttl_s),
            heartbeat_s=1.0,
        )

    async def strike(self, name: str, *, runs: int) -> Row:
        """Kill A there `runs` times; the next life begins at once."""
        row = Row(name)
        self.rows.append(row)
        await self.a.kill()
        for _ in range(runs):
            row.runs += 1
            row.died += await self._one_run(name, POINTS.get(name, BUG))
        if row.died < row.runs:
            self.wrong.append(f"{name}: killed only {row.died} of {row.runs} times")
        return row

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Publish all the while; at the end start A for good, let everything settle, and judge."""
        stop, lanes, ways, spoiler = self._load(f"{len(self.rows)}")
        yield
        self.a.service.program = ("notify_sse",)
        self.a.service.env["NOTIFY_SSE_RETENTION_S"] = "3600"
        await self.a.start()
        stop.set()
        await asyncio.gather(*lanes)
        for way in ways:
            await way.close()
        self._confirmed |= spoiler.confirmed
        await self._settle()
        violations = check(self.ledger.history)
        self.rows[-1].violations = len(violations) - self._known
        self.wrong += [f"{self.rows[-1].point}: {violation}" for violation in violations[self._known :][:10]]
        self._known = len(violations)

    def _load(self, mark: str) -> tuple[asyncio.Event, list[asyncio.Task[None]], list[Any], Spoiler]:
        stop = asyncio.Event()
        token = self.b.service.token("publisher", scope="notifications:publish")
        amqp = ForeignAmqp(self.servers.rabbitmq.url, "crash")
        ours = OurAmqp(self.servers.rabbitmq.url, "crash")
        http = Http(lambda: self.a.service.port, token, self.ledger)
        ways: list[Any] = [amqp, ours, http]
        tasks = []
        for way in ways:
            for channel in ("topic:all", *(f"recipient:{recipient}" for recipient in RECIPIENTS)):
                publisher = f"{type(way).__name__}-{mark}"
                rng = Random(f"{publisher}/{channel}")
                lane = Lane(publisher, channel, way, ledger=self.ledger, rng=rng, every_s=0.25, give_up_s=12.0)
                tasks.append(asyncio.create_task(lane.run(stop)))
        spoiler = Spoiler(amqp, ledger=self.ledger, rng=Random(mark), every_s=0.2, mark=mark)
        tasks.append(asyncio.create_task(spoiler.run(stop)))
        return stop, tasks, ways, spoiler

    async def _one_run(self, name: str, point: Point) -> bool:
        """One life of A. Returns whether it died at the point."""
        nth = self.rng.randint(1, point.upto)
        self.a.service.program = ("tests.fault.launch", name, str(nth))
        retention_s = RETENTION_S if point.load == "retention" else 3600.0
        self.a.service.env["NOTIFY_SSE_RETENTION_S"] = str(retention_s)
        if point.load == "replay":
            await self._let_some_miss_a_lot()
        said = len(self.a.service.logged())
        await asyncio.to_thread(self.a.service.start, wait_ready=False)
        self.held.clear()
        if point.load == "drain":
            await becomes_true(self.a.service.ready, within_s=20, every_s=0.05)
            await becomes_true(lambda: self._on_a() >= 2, within_s=20)
            self.a.service.terminate()
        elif point.load == "replay":
            await becomes_true(self.a.service.ready, within_s=20, every_s=0.05)
        gone = await becomes_true(lambda: not self.a.service.running, within_s=DIES_WITHIN_S, every_s=0.01)
        died = gone and "stopped" not in self.a.service.logged()[said:]
        if died and name.startswith("committed, not announced"):
            await self._measure_repair(time.monotonic())
        await self.a.kill()
        self.sent_to_a.clear()
        return died

    def _on_a(self) -> int:
        return sum(one.connected and one.port == self.a.service.port for one in self.clients)

    async def _let_some_miss_a_lot(self) -> None:
        """Two readers stay away while more is published, at B, than A's tail will hold."""
        away = [one for one in self.clients if one.recipient == "alice"]
        self.sent_to_a = {one.name for one in away}
        self.held |= self.sent_to_a
        for client in away:
            client.drop()
        token = self.b.service.token("publisher", scope="notifications:publish")
        http = Http(lambda: self.b.service.port, token, self.ledger)
        publisher = f"crowd-{len(self.rows)}-{self.ledger.accepted}"
        lane = Lane(publisher, "recipient:alice", http, ledger=self.ledger, rng=self.rng, every_s=1, give_up_s=10)
        for _ in range(10):
            await lane.publish(12)
        await http.close()

    async def _measure_repair(self, died_at: float) -> None:
        """A is dead and alone publishes: what it committed reaches B's streams by comparison with the head only."""
        await self.scribe.catch_up()

        def waiting() -> bool:
            return any(
                one.connected and self.ledger.behind(one.place, one.reader.channels)
                for one in self.clients
                if one.port == self.b.service.port
            )

        if waiting():
            await becomes_true(lambda: not waiting(), within_s=10, every_s=0.005)
            self.ledger.times[NEVER_ANNOUNCED].add(time.monotonic() - died_at)

    async def _settle(self) -> None:
        """Everything confirmed is stored, and everybody has seen it."""

        async def empty() -> bool:
            said = await self.servers.ctl("list_queues", "--silent", "name", "messages")
            return "crash.ingest\t0" in said

        deadline = time.monotonic() + 30
        while not (drained := await empty()) and time.monotonic() < deadline:
            pass
        await self.scribe.catch_up()

        def behind() -> Sequence[Client]:
            return [one for one in self.clients if self.ledger.behind(one.place, one.reader.channels)]

        if not drained or not await becomes_true(lambda: not behind(), within_s=20):
            self.wrong.append(f"not converged: {[one.name for one in behind()]}, queue empty: {drained}")

    async def judge_dead_letters(self) -> None:
        """At the end: each spoilt message that was confirmed is a dead letter, and nothing else is."""
        url = self.servers.rabbitmq.url
        self.wrong += await asyncio.to_thread(wrong_dead_letters, url, "crash", self._confirmed)


async def run(*, runs: int, seed: int = 1, only: Sequence[str] = ()) -> Crashes:
    """Every point `runs` times, judged after each; prints a row as it is done."""
    async with Crashes(seed=seed) as crashes:
        for name in only or POINTS:
            async with crashes.load():
                row = await crashes.strike(name, runs=runs)
            print(f"  {row.point:<36} {row.died:>4} of {row.runs:<4} violations {row.violations}", flush=True)
        await crashes.judge_dead_letters()
        return crashes


async def run_once(*, seed: int = 1, only: Sequence[str] = ()) -> Crashes:
    """Every point once (or those of `only`), one after the other, judged in the end."""
    async with Crashes(seed=seed) as crashes:
        async with crashes.load():
            for name in only or POINTS:
                await crashes.strike(name, runs=1)
        await crashes.judge_dead_letters()
        return crashes
