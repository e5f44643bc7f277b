"""Faults that clients, publishers and time bring about, and how long all streams take to catch up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.fault.clients import Client
from tests.fault.publishers import ForeignAmqp, Http, Way
from tests.fault.schedule import Fault
from tests.fault.scribe import FOREIGN
from tests.fault.world import FLOODED, World
from tests.support.checker import Outcome
from tests.support.contract import channel_of
from tests.support.streams import OpenStream, open_stream

FLOOD = 110
FORGERS = 20
FLOOD_TEXT = "f" * 14_000
SLOW_S = 5.0
BROKER_KINDS = ("kill broker", "freeze broker", "memory alarm")


class Clientside:
    """What it does is undone by the clients themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.slow: list[str] = []
        self._number = 0

    def does(self) -> dict[str, Callable[[Fault], Awaitable[bool]]]:
        """Kind → what carries it out."""
        return {
            "mass drop": self._mass_drop,
            "stalled reader": self._stalled_reader,
            "token expiry": self._token_expiry,
            "crowd": self._crowd,
            "forged cursor": self._forged_cursor,
            "retention in replay": self._retention_in_replay,
            "never announced": self._never_announced,
        }

    async def _mass_drop(self, fault: Fault) -> bool:
        rng = Random(fault.strength)
        for client in rng.sample(self._world.clients, k=len(self._world.clients) // 5):
            client.drop(politely=rng.random() < 0.5)
        return True

    async def _stalled_reader(self, _: Fault) -> bool:
        """Some clients read nothing while more is written to them than the kernel takes, for longer than is allowed."""
        sloths = [one for one in self._world.sloths if one.connected and not one.stalling]
        if not sloths:
            return False
        ended = [one.stall().ended for one in sloths]
        documents = [self._document("flood", topic=FLOODED, text=FLOOD_TEXT) for _ in range(FLOOD)]
        try:
            for start in range(0, FLOOD, 50):
                await self._publish_http("flood", documents[start : start + 50])
            await asyncio.sleep(self._world.plan.stall_s + 2)
        finally:
            for sloth in sloths:
                sloth.go_on()
        cut = (await asyncio.wait(ended, timeout=5))[0]
        self._world.ledger.seen["stalled readers cut off"] += len(cut)
        return True

    async def _token_expiry(self, fault: Fault) -> bool:
        rng = Random(fault.strength)
        for client in rng.sample(self._world.clients, k=max(1, len(self._world.clients) // 10)):
            client.next_token_s = rng.uniform(1.5, 4.0)
            client.drop(politely=True)
        return True

    async def _crowd(self, fault: Fault) -> bool:
        """More streams of one recipient than it may have: the oldest, among them the readers', are replaced."""
        world, rng = self._world, Random(fault.strength)
        client = world.clients[int(fault.victim * len(world.clients))]
        port = rng.choice(world.fleet.gateways).service.port
        headers = {"Authorization": f"Bearer {world.fleet.gateways[0].service.token(client.recipient)}"}
        opened: list[OpenStream] = []
        try:
            for _ in range(2 * world.plan.most_streams):
                url = f"http://127.0.0.1:{port}/notifications/stream"
                opened.append(await open_stream(url, on_message=_ignore, headers=headers, within_s=2))
            await asyncio.sleep(0.2)
        except (OSError, TimeoutError):
            return False
        finally:
            for stream in opened:
                stream.drop()
        return True

    async def _forged_cursor(self, fault: Fault) -> bool:
        world, rng = self._world, Random(fault.strength)
        if not world.scribe.epoch:
            return False
        for client in rng.sample(world.clients, k=min(FORGERS, len(world.clients))):
            client.bring = rng.choice(
                ("x", "nobody.7", f"{world.scribe.epoch}.99999999999", f"{world.scribe.epoch}.-1")
            )
            client.drop()
        return True

    async def _retention_in_replay(self, fault: Fault) -> bool:
        """Clients come back for what retention has removed, and while they read the rest it removes more."""
        world, rng = self._world, Random(fault.strength)
        scribe = world.scribe
        if not 10 < scribe.floor < world.ledger.head - world.plan.tail_events - 500:
            return False
        for client in rng.sample(world.clients, k=min(12, len(world.clients))):
            client.rewind = f"{scribe.epoch}.{rng.randrange(scribe.floor)}"
            client.drop()
        try:
            for _ in range(12):
                await scribe.expire(retention_s=world.plan.retention_s, limit=40)
                await asyncio.sleep(0.06)
        except FOREIGN:
            return False
        return True

    async def _never_announced(self, fault: Fault) -> bool:
        """A commit, and its announcement lost, as when an ingester is killed between the two."""
        world = self._world
        client = world.clients[int(fault.victim * len(world.clients))]
        document = self._document("orphan", recipient_id=client.recipient)
        channel = channel_of(document)
        readers = {one.name for one in world.clients if one.connected and channel in one.reader.channels}
        try:
            await world.scribe.commit_unannounced(document, readers=readers)
        except FOREIGN:
            return False
        return True

    async def calm_down(self, *, within_s: float) -> None:
        """Wait until what was broken before is mended: what is published either way reaches everyone."""
        for by_amqp in (True, False):
            await self._until_all_have_a_probe(by_amqp=by_amqp, within_s=within_s)

    async def measure_catch_up(self, kind: str, *, within_s: float) -> None:
        """The server is back: publish to everyone, and wait until everyone who is there has it."""
        ledger, by_amqp = self._world.ledger, kind in BROKER_KINDS
        began = ledger.now()
        waits = await self._until_all_have_a_probe(by_amqp=by_amqp, within_s=within_s)
        took_s = ledger.now() - began
        ledger.times[f"{'broker' if by_amqp else 'postgres'} back → all caught up"].add(took_s)
        if took_s > SLOW_S:
            self.slow.append(f"{began:.0f} s: {kind}: {took_s:.1f} s until all had caught up; {waits}")

    async def _until_all_have_a_probe(self, *, by_amqp: bool, within_s: float) -> str:
        """Returns what it waited for longest: the probe's place in the log, or readers."""
        world, document = self._world, self._document("probe", topic="all")
        deadline, placed_at, began = time.monotonic() + within_s, 0.0, time.monotonic()
        if not await self._publish_probe(document, by_amqp=by_amqp):
            return "the probe was not accepted"
        accepted_at, waiting = time.monotonic(), list[str]()
        while time.monotonic() < deadline:
            if position := world.ledger.history.places.get(document["notification_id"]):
                placed_at = placed_at or time.monotonic()
                waiting = [one.name for one in world.clients if _waits(one, position)]
                if not waiting:
                    break
            await asyncio.sleep(0.02)
        placed_s = f"{placed_at - began:.1f}" if placed_at else "never"
        return f"accepted after {accepted_at - began:.1f} s, in the log after {placed_s} s, waiting: {waiting[:5]}"

    async def _publish_probe(self, document: dict[str, Any], *, by_amqp: bool) -> bool:
        """On a connection of its own: the others may take long to notice that theirs is dead."""
        world = self._world
        if not by_amqp:
            port = world.fleet.gateways[0].service.port
            token = world.fleet.gateways[0].service.token("probe", scope="notifications:publish")
            http = Http(lambda: port, token, world.ledger)
            try:
                return await self._publish(http, "probe", [document]) == "accepted"
            finally:
                await http.close()
        amqp = ForeignAmqp(world.servers.rabbitmq.url, world.prefix)
        try:
            return await self._publish(amqp, "probe", [document]) == "accepted"
        finally:
            await amqp.close()

    async def _publish_http(self, publisher: str, documents: list[dict[str, Any]]) -> None:
        way = next(way for way in self._world._ways if isinstance(way, Http))
        await self._publish(way, publisher, documents)

    async def _publish(self, way: Way, publisher: str, documents: list[dict[str, Any]]) -> Outcome:
        outcome: Outcome = "unknown"
        deadline = time.monotonic() + 20
        while outcome == "unknown" and time.monotonic() < deadline:
            outcome = await way.publish(documents)
            if outcome == "unknown":
                await asyncio.sleep(0.05)
        for document in documents:
            self._world.ledger.published(document, publisher=publisher, outcome=outcome, ordered=False)
        return outcome

    def _document(self, name: str, *, text: str = "", **address: str) -> dict[str, Any]:
        self._number += 1
        return {
            "notification_id": f"{name}/{self._number}",
            "notification_type": name,
            **address,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "payload": {"number": self._number, "text": text},
        }


def _waits(client: Client, position: int) -> bool:
    return not client.absent and (client.place is None or client.place.position < position)


def _ignore(_: object) -> None:
    """What the crowd hears is of no matter."""
