"""Everything that a run needs, started and wired: servers, proxy, gateways, clients, publishers, scribe, ledger."""

import asyncio
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from tests.fault.clients import Client, Habits, look_after
from tests.fault.fleet import Fleet, Gateway
from tests.fault.ledger import Ledger
from tests.fault.links import Links
from tests.fault.own_events import Marker, Recaller
from tests.fault.publishers import ForeignAmqp, Http, Lane, OurAmqp, Spoiler, Way
from tests.fault.scribe import Scribe
from tests.fault.servers import Servers
from tests.fault.tracing import Tracer
from tests.support.polling import becomes_true
from tests.support.services import free_port

TOPICS: Final = ("news", "sport", "a.b", "x-1", "Z")
ADVERSARIAL: Final = ("#", "*", "a.b", "topic:all", "Zoë ünïcode ☃", "x" * 200, "recipient:alice", "%23", "~", "a b\nc")
FLOODED: Final = "flooded"
"""The topic of those who are made to stall."""
SLOTHS: Final = 8
CONVERGE_S: Final = 60.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a run, and the settings of the service in it."""

    seed: int = 1
    gateways: int = 3
    supervised: int = 2
    """Workers of the last gateway, which runs under the supervisor; 1 for none."""
    clients: int = 200
    rate_per_s: float = 300.0
    heartbeat_s: float = 2.0
    retention_s: float = 120.0
    stall_s: float = 4.0
    drain_s: float = 3.0
    tail_events: int = 1000
    most_streams: int = 6
    stay_s: float = 20.0
    small_disk: bool = True
    ghosts: int = 0
    """Recipients who get notifications, and never connect."""
    traces: int = 0
    """How many notifications are traced at the end; with any, some all the while too."""

    def env(self) -> dict[str, str]:
        """The service's settings that are not its default."""
        return {
            "HEARTBEAT_S": str(self.heartbeat_s),
            "RETENTION_S": str(self.retention_s),
            "STALL_S": str(self.stall_s),
            "DRAIN_S": str(self.drain_s),
            "TAIL_MAX_EVENTS": str(self.tail_events),
            "MAX_STREAMS_PER_RECIPIENT": str(self.most_streams),
            "RETRY_MS": "500",
            "PUBLISH_TIMEOUT_S": "5",
        }


class World:
    """An async context manager: inside it, everything runs and every client is connected."""

    def __init__(self, plan: Plan, *, keep: bool = False) -> None:
        self.plan = plan
        self.ledger = Ledger()
        self.servers = Servers()
        self.clients: list[Client] = []
        self.sloths: list[Client] = []
        self.errors: list[str] = []
        self.traces: Counter[str] = Counter()
        self.prefix = f"fault-{uuid.uuid4().hex[:8]}"
        self.rng = Random(plan.seed)
        self.stopping = asyncio.Event()
        self._keep = keep
        self._tasks: list[asyncio.Task[Any]] = []
        self._publishing: list[asyncio.Task[Any]] = []
        self._ways: list[Way] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._unseen)
        plan = self.plan
        await self.servers.start(small_disk=plan.small_disk)
        await self.servers.bound_live_queues()
        ports = [free_port() for _ in range(plan.gateways)]
        targets = {"mq-pub": self.servers.rabbitmq.port}
        for number, port in enumerate(ports):
            targets |= {
                f"pg-{number}": self.servers.postgres.port,
                f"mq-{number}": self.servers.rabbitmq.port,
                f"web-{number}": port,
            }
        self.links = await Links(targets, log=self.servers.directory / "proxy.log").__aenter__()
        self.fleet = self._fleet(ports)
        await self.fleet.start()
        self.scribe = Scribe(self.servers.postgres.url, self.ledger)
        self._spawn(self.scribe.follow())
        self._spawn(self.fleet.watch())
        self._populate()

    def _fleet(self, ports: Sequence[int]) -> Fleet:
        plan, links = self.plan, self.links.ports
        urls = [
            {
                "broker_url": at_port(self.servers.rabbitmq.url, links[f"mq-{number}"]),
                "database_url": at_port(self.servers.postgres.url, links[f"pg-{number}"]),
            }
            for number in range(plan.gateways)
        ]
        return Fleet(
            self.servers.directory,
            count=plan.gateways,
            urls=urls,
            web_ports=[links[f"web-{number}"] for number in range(plan.gateways)],
            service_ports=ports,
            amqp_prefix=self.prefix,
            env=plan.env(),
            workers=[1] * (plan.gateways - 1) + [plan.supervised],
        )

    def _populate(self) -> None:
        recipients = [f"user-{number}" for number in range(max(1, self.plan.clients // 2))]
        recipients[: len(ADVERSARIAL)] = ADVERSARIAL[: len(recipients)]
        for number in range(self.plan.clients):
            self.clients.append(self._roamer(number, recipients[number % len(recipients)]))
        for number in range(SLOTHS):
            habits = Habits(stay_s=1e6, direct=True)
            self.sloths.append(self._client(f"sloth-{number}", f"sloth-{number}", topics=[FLOODED], habits=habits))
        self.recipients = recipients
        for client in (*self.clients, *self.sloths):
            self._spawn(client.run())
        self._spawn(look_after([*self.clients, *self.sloths]))

    def _roamer(self, number: int, recipient: str) -> Client:
        plan, name = self.plan, f"client-{number}"
        rng = Random(f"{plan.seed}/{name}/habits")
        habits = Habits(
            stay_s=plan.stay_s,
            token_s=rng.choice((3600.0, 3600.0, 3600.0, 3600.0, 12.0)),
            hibernate=0.02 if number % 5 == 0 else 0.0,
            absent_s=plan.retention_s * 1.6,
        )
        return self._client(name, recipient, topics=[topic for topic in TOPICS if rng.random() < 0.2], habits=habits)

    def _client(self, name: str, recipient: str, *, topics: Sequence[str], habits: Habits) -> Client:
        rng = Random(f"{self.plan.seed}/{name}")
        return Client(
            name,
            recipient=recipient,
            topics=topics,
            ledger=self.ledger,
            rng=rng,
            habits=habits,
            choose=lambda direct: self._any_port(rng, direct=direct),
            token=lambda sub, topics, ttl_s: self.fleet.gateways[0].service.token(sub, topics=topics, ttl_s=ttl_s),
            heartbeat_s=self.plan.heartbeat_s,
        )

    def _any_port(self, rng: Random, *, direct: bool = False) -> int:
        gateway = rng.choice(self.fleet.gateways)
        return gateway.service.port if direct else gateway.web_port

    def start_publishing(self) -> None:
        """Lanes of four AMQP and four HTTP publishers, at about `rate_per_s` together."""
        url = at_port(self.servers.rabbitmq.url, self.links.ports["mq-pub"])
        token = self.fleet.gateways[0].service.token("publisher", scope="notifications:publish")
        foreign = ForeignAmqp(url, self.prefix)
        ways: list[Way] = [foreign, ForeignAmqp(url, self.prefix)]
        ways += [OurAmqp(url, self.prefix), OurAmqp(url, self.prefix)]
        ways += [Http(lambda: self._any_port(self.rng), token, self.ledger) for _ in range(4)]
        self._ways = ways
        channels = [f"recipient:{recipient}" for recipient in self.recipients]
        channels += [f"recipient:ghost-{number}" for number in range(self.plan.ghosts)]
        lanes = []
        for number, way in enumerate(ways):
            rng = Random(f"{self.plan.seed}/publisher-{number}")
            mine = rng.sample(channels, k=min(len(channels), 60)) + ["topic:all"] * (number % 4 == 0)
            mine += [f"topic:{topic}" for topic in TOPICS if rng.random() < 0.5]
            lanes += [(f"p{number}", channel, way) for channel in mine]
        every_s = len(lanes) / self.plan.rate_per_s
        for publisher, channel, way in lanes:
            rng = Random(f"{self.plan.seed}/{publisher}/{channel}")
            slower = 20 if channel == "topic:all" else 1
            give_up_s = min(30.0, self.plan.retention_s / 3)
            lane = Lane(
                publisher, channel, way, ledger=self.ledger, rng=rng, every_s=every_s * slower, give_up_s=give_up_s
            )
            self._publishing.append(asyncio.create_task(lane.run(self.stopping)))
        self.spoiler = Spoiler(foreign, ledger=self.ledger, rng=Random(f"{self.plan.seed}/spoiler"), every_s=0.7)
        self._publishing.append(asyncio.create_task(self.spoiler.run(self.stopping)))
        self._start_users(foreign, token)

    def _start_users(self, foreign: ForeignAmqp, token: str) -> None:
        """Who takes back, and who reads."""
        seed, service = self.plan.seed, self.fleet.gateways[0].service
        recaller = Recaller(
            foreign,
            choose=lambda: self._any_port(self.rng),
            token=token,
            ledger=self.ledger,
            rng=Random(f"{seed}/recaller"),
            every_s=0.5,
        )
        marker = Marker(
            self.clients,
            choose=lambda: self._any_port(self.rng),
            token=service.token,
            ledger=self.ledger,
            rng=Random(f"{seed}/marker"),
            every_s=0.25,
        )
        self.tracer = Tracer(
            [*self.clients, *self.sloths],
            self.fleet.gateways,
            self.ledger,
            token=service.token("tracer", scope="notifications:admin"),
            rng=Random(f"{seed}/tracer"),
        )
        users = (recaller, marker, self.tracer) if self.plan.traces else (recaller, marker)
        self._publishing += [asyncio.create_task(one.run(self.stopping)) for one in users]

    async def stop_publishing(self) -> None:
        """Have every lane finish, then close their connections."""
        self.stopping.set()
        for result in await asyncio.gather(*self._publishing, return_exceptions=True):
            if result is not None:
                self.errors.append(f"a publisher failed: {result!r}")
        for way in self._ways:
            with suppress(Exception):
                await way.close()

    async def everybody_connected(self, *, within_s: float = 60) -> bool:
        """Wait until every client has had a stream; False when that takes too long."""
        return await becomes_true(lambda: all(client.opened for client in self.clients), within_s=within_s)

    async def converge(self) -> list[str]:
        """After the last publish: wait until nothing is queued and every reader has seen all; who has not."""
        for client in (*self.clients, *self.sloths):
            client.settle()
        deadline = time.monotonic() + CONVERGE_S
        drained = False
        while not drained and time.monotonic() < deadline:
            drained = await self.queue_empty()
        await self.scribe.catch_up()
        everybody = [*self.clients, *self.sloths]

        def behind() -> list[Client]:
            return [one for one in everybody if self.ledger.behind(one.place, one.reader.channels) or not one.connected]

        left_s = max(5.0, deadline - time.monotonic())
        await becomes_true(lambda: not behind(), within_s=left_s)
        late = [f"{one.name} stands at {one.place}, connected: {one.connected}" for one in behind()]
        return late if drained else [*late, "the ingest queue was not emptied"]

    async def queue_empty(self) -> bool:
        """Whether everything that was confirmed has left the ingest queue."""
        said = await self.servers.ctl("list_queues", "--silent", "name", "messages")
        counts = dict(line.split("\t") for line in said.splitlines() if "\t" in line)
        return counts.get(f"{self.prefix}.ingest") == "0"

    async def __aexit__(self, *_: object) -> None:
        self.stopping.set()
        for task in (*self._tasks, *self._publishing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._publishing, return_exceptions=True)
        for way in self._ways:
            with suppress(Exception):
                await way.close()
        if hasattr(self, "scribe"):
            await self.scribe.close()
        if hasattr(self, "fleet"):
            await self.fleet.stop()
        if hasattr(self, "links"):
            await self.links.__aexit__()
        await self.servers.stop(keep=self._keep)
        if self._keep:
            print(f"kept: {self.servers.directory}", file=sys.stderr)

    def logs(self) -> list[Path]:
        return [gateway.service.log for gateway in self.fleet.gateways]

    def gateway_by(self, share: float) -> Gateway:
        """One of them, by a number from 0 to 1."""
        return self.fleet.gateways[int(share * len(self.fleet.gateways))]

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (exc := task.exception()):
            self.errors.append(f"a part of the harness failed: {exc!r}")

    def _unseen(self, _: object, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), (ConnectionError, asyncio.CancelledError)):
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")


def at_port(url: str, port: int) -> str:
    """`url` with another port."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@{host.partition(':')[0]}:{port}").geturl()
