"""A smaller world for one scenario: servers, gateways without a proxy, readers, and a publisher over HTTP."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Self

import msgspec

from tests.fault.clients import Client, Habits, look_after
from tests.fault.fleet import Fleet, Gateway
from tests.fault.ledger import Ledger
from tests.fault.publishers import Http
from tests.fault.scribe import Scribe
from tests.fault.servers import Servers
from tests.support.checker import Outcome, Violation, check
from tests.support.polling import becomes_true, eventually
from tests.support.service import Service
from tests.support.services import free_port

STEADY = Habits(stay_s=1e9)


class Given(msgspec.Struct, frozen=True):
    """Servers that run already, with nothing of ours in them yet; whoever gives them cleans up."""

    broker_url: str
    database_url: str
    amqp_prefix: str


class Stage:
    """An async context manager; `read` and `publish` in it, then `judge`."""

    def __init__(
        self,
        *,
        gateways: int = 1,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        given: Given | None = None,
        prepare: Callable[[Service], None] | None = None,
    ) -> None:
        """`prepare` is given each gateway's process before it starts."""
        self.ledger = Ledger()
        self._servers = Servers()
        self._given = given
        self.clients: list[Client] = []
        self._count, self._workers, self._env = gateways, workers, dict(env or {})
        self._tasks: list[asyncio.Task[Any]] = []
        self._number = 0
        self._prepare = prepare

    async def __aenter__(self) -> Self:
        if self._given is None:
            await self._servers.start()
        own = Given(self._servers.rabbitmq.url, self._servers.postgres.url, "stage")
        self.given = given = self._given or own
        url = {"broker_url": given.broker_url, "database_url": given.database_url}
        self.fleet = Fleet(
            self._servers.directory,
            count=self._count,
            urls=[url] * self._count,
            service_ports=[free_port() for _ in range(self._count)],
            amqp_prefix=given.amqp_prefix,
            env=self._env,
            workers=[self._workers] * self._count,
        )
        self.gateways: list[Gateway] = self.fleet.gateways
        if self._prepare:
            for one in self.gateways:
                self._prepare(one.service)
        await self.fleet.start()
        self.scribe = Scribe(given.database_url, self.ledger)
        self._ways = [Http(_always(one.service.port), self._publisher(one), self.ledger) for one in self.gateways]
        self.spawn(look_after(self.clients))
        return self

    def _publisher(self, gateway: Gateway) -> str:
        return gateway.service.token("publisher", scope="notifications:publish")

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for way in self._ways:
            await way.close()
        await self.scribe.close()
        await self.fleet.stop()
        await self._servers.stop()

    def spawn(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    def read(
        self,
        recipient: str,
        *,
        topics: Sequence[str] = (),
        choose: Callable[[], Gateway] | None = None,
        habits: Habits = STEADY,
        heartbeat_s: float = 15.0,
    ) -> Client:
        """A client, connecting from now on. `choose` says where each time; the first gateway unless given."""
        name = f"reader-{len(self.clients)}"
        client = Client(
            name,
            recipient=recipient,
            topics=topics,
            ledger=self.ledger,
            rng=Random(name),
            habits=habits,
            choose=lambda _: (choose() if choose else self.gateways[0]).service.port,
            token=lambda sub, topics, ttl_s: self.gateways[0].service.token(sub, topics=topics, ttl_s=ttl_s),
            heartbeat_s=heartbeat_s,
        )
        self.clients.append(client)
        self.spawn(client.run())
        return client

    async def all_connected(self, *, within_s: float = 120) -> bool:
        return await becomes_true(lambda: all(one.connected for one in self.clients), within_s=within_s, every_s=0.05)

    def document(self, *, text: str = "hi", phase: str = "", **address: str) -> dict[str, Any]:
        """A notification to publish, with an id of its own."""
        self._number += 1
        payload = {"number": self._number, "text": text} | ({"phase": phase, "at": time.monotonic()} if phase else {})
        return {
            "notification_id": f"n-{self._number}",
            "notification_type": "new_message",
            **address,
            "timestamp": "2026-11-22T10:00:00.000Z",
            "payload": payload,
        }

    async def publish(self, documents: Sequence[dict[str, Any]], *, at: int = 0) -> None:
        """Publish at that gateway, until it is accepted."""
        for start in range(0, len(documents), 500):
            part = documents[start : start + 500]
            outcome: Outcome = "unknown"
            while outcome == "unknown":
                outcome = await self._ways[at].publish(part)
            for document in part:
                self.ledger.published(document, publisher="stage", outcome=outcome, ordered=False)

    async def paced(self, recipients: Sequence[str], *, phase: str, per_s: float, for_s: float, at: int = 0) -> None:
        """Publish one by one, at a steady rate, to `recipients` in turn."""
        began, count = time.monotonic(), 0
        while time.monotonic() < began + for_s:
            recipient = recipients[count % len(recipients)]
            await self.publish([self.document(phase=phase, recipient_id=recipient)], at=at)
            count += 1
            await asyncio.sleep(max(0.0, began + count / per_s - time.monotonic()))

    def p99_ms(self, phase: str) -> float:
        """Publish to receive of that phase."""
        return self.ledger.times[f"publish → receive, {phase}"].percentile(0.99) * 1000

    async def caught_up(self, *, within_s: float) -> list[str]:
        """Who has not seen everything that was accepted for it `within_s` from now."""

        async def stored() -> bool:
            await self.scribe.catch_up()
            return not self.ledger.unstored()

        with suppress(AssertionError):  # what is lost is told by `judge`
            await eventually(stored, within_s=within_s, every_s=0.05)

        def behind() -> list[str]:
            return [one.name for one in self.clients if self.ledger.behind(one.place, one.reader.channels)]

        await becomes_true(lambda: not behind(), within_s=within_s, every_s=0.05)
        return behind()

    def judge(self) -> list[Violation]:
        """The checker's verdict, on everything so far."""
        return check(self.ledger.history)

    def statuses(self) -> dict[int, int]:
        """The answers that streams got."""
        return dict(self.ledger.answers)


def resident_bytes(service: Any) -> int:
    """The memory of a process and of those below it."""
    processes = [service.process, *service.process.descendants()]
    pages = sum(int(Path(f"/proc/{one.pid}/statm").read_text().split()[1]) for one in processes)
    return pages * 4096


def _always(port: int) -> Callable[[], int]:
    return lambda: port
