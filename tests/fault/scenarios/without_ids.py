"""Messages without any id, over broker cuts, database outages and kills: none lost, none among the dead letters, and
twice in the log only what was committed and not acked when its connection, or its process, was lost.

Without an id nothing can tell a message that comes again from a new one. So that much cannot be known: one batch (with
the one before it, whose acks may be under way) for each cut or kill. Nothing else may be there twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Final, Self
from urllib.parse import urlsplit

from tests.fault.finding import Finding
from tests.fault.fleet import Fleet
from tests.fault.links import Links
from tests.fault.nameless import NamelessPublisher, committed_in_vain, count_of, places
from tests.fault.servers import Servers
from tests.fault.stage import Given
from tests.fault.world import at_port
from tests.support.polling import eventually
from tests.support.services import RabbitServer, free_port

BATCH: Final = 500
"""The service's INGEST_BATCH."""
DRAINED_S: Final = 90.0
TIMES: Final = {"consumer_timeout": 1_800_000, "channel_tick_interval": 60_000}
"""RabbitMQ's own, in milliseconds."""

Meanwhile = Callable[[], Awaitable[None]]


class Stand:
    """Servers, gateways behind a proxy, a publisher; and what can be done to them. An async context manager."""

    def __init__(self, *, gateways: int, per_s: float, given: Given | None, rabbitmq: RabbitServer | None) -> None:
        self._servers = Servers()
        self._own = given is None
        self.rabbitmq = rabbitmq or self._servers.rabbitmq
        self._given = given or Given(self._servers.rabbitmq.url, self._servers.postgres.url, "without-ids")
        self._gateways, self._per_s = gateways, per_s
        self.lost_connections = self.outages = 0
        self._rng = Random(1)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self._servers.stop)
        if self._own:
            await self._servers.start()
        given = self._given
        targets = {"mq": urlsplit(given.broker_url).port or 5672, "pg": urlsplit(given.database_url).port or 5432}
        self.links = await self._stack.enter_async_context(Links(targets, log=self._servers.directory / "proxy.log"))
        urls = {
            "broker_url": at_port(given.broker_url, self.links.ports["mq"]),
            "database_url": at_port(given.database_url, self.links.ports["pg"]),
        }
        self.fleet = Fleet(
            self._servers.directory,
            count=self._gateways,
            urls=[urls] * self._gateways,
            service_ports=[free_port() for _ in range(self._gateways)],
            amqp_prefix=given.amqp_prefix,
            env={},
        )
        self._stack.push_async_callback(self.fleet.stop)
        await self.fleet.start()
        self.publisher = NamelessPublisher(given.broker_url, given.amqp_prefix, per_s=self._per_s)
        self._publishing = asyncio.create_task(self.publisher.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._publishing.cancel()
        await self._stack.aclose()

    async def stop_publishing(self) -> None:
        """Raises what ended it before, if anything did."""
        self._publishing.cancel()
        with suppress(asyncio.CancelledError):
            await self._publishing
        await self.publisher.close()

    async def cut(self) -> None:
        """Reset every connection of the gateways to the broker."""
        self.lost_connections += 1
        await self.links.reset("mq")

    async def kill(self) -> None:
        """SIGKILL the gateway that consumes, and start it again."""
        gateway = await self.fleet.active() or self.fleet.gateways[0]
        self.lost_connections += 1
        await gateway.kill()
        await gateway.start()

    async def outage(self, *, seconds: float, cuts: int) -> None:
        """The database is away for `seconds`, each time in another way; the broker is cut `cuts` times meanwhile."""
        ways = [self._frozen, self._answers_lost, self._silent, *([self._killed] if self._own else [])]
        way = ways[self.outages % len(ways)]
        self.outages += 1

        async def meanwhile() -> None:
            for _ in range(cuts):
                await asyncio.sleep(seconds / (cuts + 1) * self._rng.uniform(0.5, 1.0))
                await self.cut()
            await asyncio.sleep(seconds / (cuts + 1))

        await way(meanwhile)
        await self.goes_on()

    async def _frozen(self, meanwhile: Meanwhile) -> None:
        """Nothing gets through, and nothing is lost: a commit is answered seconds later."""
        await self.links.hold("pg")
        await meanwhile()
        await self.links.flow("pg")

    async def _answers_lost(self, meanwhile: Meanwhile) -> None:
        """Commits of which nobody knows whether they took place."""
        await self.links.drop("pg", ["down"])
        await meanwhile()
        await self.links.flow("pg")

    async def _silent(self, meanwhile: Meanwhile) -> None:
        """Every connection is reset, and new ones get no answer."""
        await self.links.drop("pg")
        await self.links.reset("pg")
        await meanwhile()
        await self.links.flow("pg")

    async def _killed(self, meanwhile: Meanwhile) -> None:
        """The server crashes, and comes back."""
        await asyncio.to_thread(self._servers.postgres.kill)
        await meanwhile()
        await asyncio.to_thread(self._servers.postgres.start)

    async def away_for(self, timeouts: int, *, timeout_s: float) -> None:
        """The broker takes back what is not acked within `timeout_s`; the database is away for `timeouts` times that.

        What is under commit when it goes away may be stored and come again: once for each gateway.
        """
        self.lost_connections += self._gateways
        await self._set({"consumer_timeout": int(timeout_s * 1000), "channel_tick_interval": int(timeout_s * 333)})
        try:
            await self.cut()  # a channel goes by the times at its opening
            await self.goes_on()
            await self.links.drop("pg")
            await self.links.reset("pg")
            await asyncio.sleep(timeouts * timeout_s)
            await self.links.flow("pg")
        finally:
            await self._set(TIMES)
        await self.cut()
        await self.goes_on()

    async def _set(self, times: dict[str, int]) -> None:
        text = ", ".join(f"application:set_env(rabbit, {name}, {value})" for name, value in times.items())
        await asyncio.to_thread(self.rabbitmq.ctl, "eval", f"{text}.")

    async def goes_on(self) -> None:
        """Return once something was stored that was published since now."""
        confirmed = len(self.publisher.confirmed)

        async def stored() -> bool:
            found = await places(self._given.database_url, newest=2 * BATCH)
            return found is not None and max(found, default=0) > confirmed

        await eventually(stored, what="storing to go on", within_s=DRAINED_S, every_s=0.1)

    async def settled(self) -> dict[int, list[int]]:
        """Stop publishing, and wait until all that was confirmed is in the log. Returns where."""
        await self.stop_publishing()
        found: dict[int, list[int]] = {}

        async def all_there() -> bool:
            nonlocal found
            found = await places(self._given.database_url) or {}
            return found.keys() >= self.publisher.confirmed

        try:
            await eventually(all_there, within_s=DRAINED_S, every_s=0.2)
        except AssertionError:
            return found  # it is judged by what is missing
        return found

    async def dead_letters(self) -> int:
        return await count_of(self._given.broker_url, f"{self._given.amqp_prefix}.dead")


async def run(
    *,
    cuts: int = 50,
    outages: int = 20,
    kills: int = 5,
    rate_per_s: float = 200.0,
    outage_s: float = 1.5,
    timeouts: int = 30,
    timeout_s: float = 2.0,
    gateways: int = 2,
    given: Given | None = None,
    rabbitmq: RabbitServer | None = None,
) -> Finding:
    """`cuts` of the broker in all, some of them within the `outages` of the database; then it is away for long."""
    finding = Finding(f"without ids: {cuts} cuts, {outages} outages, {kills} kills at {rate_per_s:g}/s")
    async with Stand(gateways=gateways, per_s=rate_per_s, given=given, rabbitmq=rabbitmq) as stand:
        await stand.goes_on()
        for number in range(outages):
            within = number % 3  # none, one, two cuts while the database is away
            await stand.outage(seconds=outage_s, cuts=within)
            for _ in range(max(0, (number + 1) * cuts // outages - stand.lost_connections)):
                await stand.cut()
                await stand.goes_on()
        for _ in range(kills):
            await stand.kill()
            await stand.goes_on()
        await stand.away_for(timeouts, timeout_s=timeout_s)
        found = await stand.settled()
        confirmed, dead = stand.publisher.confirmed, await stand.dead_letters()
        twice = committed_in_vain(found)
        lost = confirmed - found.keys()
        finding.note(
            {
                "published and confirmed": len(confirmed),
                "lost": len(lost),
                "dead letters": dead,
                "connections or processes lost": stand.lost_connections,
                "database outages": stand.outages,
                "batches stored twice": len(twice),
                "messages stored twice": sum(map(len, twice)),
                "most at once": max(map(len, twice), default=0),
                "database away, consumer timeouts": timeouts,
            }
        )
        finding.expect(not lost, f"{len(lost)} of {len(confirmed)} are lost: {sorted(lost)[:5]}")
        finding.expect(not dead, f"{dead} dead letters")
        finding.expect(len(twice) <= stand.lost_connections, f"{len(twice)} batches are there twice")
        finding.expect(all(len(one) <= 2 * BATCH for one in twice), f"more than was under commit: {twice[:2]}")
        finding.wrong += stand.fleet.died
    return finding
