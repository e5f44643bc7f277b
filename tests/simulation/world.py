"""One run: gateways, clients and publishers on a simulated store and broker; faults; then calm; then the verdict."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from types import SimpleNamespace
from typing import Final
from unittest.mock import patch

import msgspec

from notify_sse.core import stream
from notify_sse.gateway import admission, connection, greeting, pump, registry, relay, replay, unread
from notify_sse.log import append, ingest, pace, pause, recall
from notify_sse.telemetry import outage
from tests.simulation.broker import Exchange
from tests.simulation.client import Client
from tests.simulation.database import WALL_S, Database, number_of
from tests.simulation.gateway import SimGateway
from tests.simulation.loop import Livelock, SimLoop
from tests.simulation.nemesis import Nemesis
from tests.simulation.own_events import recall_name
from tests.simulation.publisher import Publisher
from tests.simulation.scenario import Limits, Scenario, draw
from tests.simulation.verdict import compare_unread, disagreement, out_of_contract
from tests.support.checker import History, Reader, Violation, check
from tests.support.contract import channels_of

CALM_S: Final = 12.0
"""How long after the last fault and the last publish nothing may have moved while a stream has not caught up."""
LOOK_S: Final = 0.37


class Outcome(msgspec.Struct):
    """What came of a run. `digest` is equal exactly when two runs went the same way, step by step."""

    seed: int
    violations: list[Violation]
    broken: str
    """Why the run did not come to its end, or which stream did not catch up: empty when all is well."""
    tally: Counter[str]
    digest: str
    steps: int
    trace: list[str]

    @property
    def good(self) -> bool:
        return not self.violations and not self.broken

    def __str__(self) -> str:
        found = [self.broken] * bool(self.broken) + [str(one) for one in self.violations]
        return f"seed {self.seed}: " + ("; ".join(found) or "kept")


class World:
    """Everything of one run."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.rng = Random(seed)
        self.scenario: Scenario = draw(self.rng)
        self.loop = SimLoop(  # type: ignore[abstract]  # sockets, threads and signals are not simulated: using them raises
            self.rng, busy=self.scenario.busy, slot_s=self.scenario.slot_s
        )
        self.tally: Counter[str] = Counter()
        self.trace: list[str] = []
        self._traced = traced
        self.history = History(published=[], readers=[], places={}, withdrawn=set())
        self.database = Database()
        self.exchange = Exchange(
            self.loop, self.rng, self.tally, self.scenario.weather, prefetch=self.scenario.prefetch
        )
        self.exchange.perhaps_stored = self._perhaps_stored
        self.exchange.store_away_s = self._store_away_s
        self.gateways: list[SimGateway] = []
        self.clients: list[Client] = []
        self.publishers: list[Publisher] = []
        self._publishing = 0
        self.stuck = ""
        self._moved: tuple[int, ...] = ()

    def note(self, text: str) -> None:
        if self._traced:
            self.trace.append(f"{self.loop.now:9.4f} {text}")

    def wall(self) -> float:
        return WALL_S + self.loop.now

    def _perhaps_stored(self, body: bytes) -> bool:
        """Or may come to be: the batch that it is in is being committed, in one transaction or in several."""
        number, database = number_of(body), self.database
        return bool(database.copies[number] or database.under_way[number] or number in database.isolating)

    def _store_away_s(self) -> float:
        return 0.0 if self.database.available else self.loop.now - self.database.away_since

    def choose(self) -> SimGateway | None:
        """What a load balancer gives a client: a process that answers, and seldom one that is going down."""
        able = [one for one in self.gateways if one.alive and not one.frozen]
        steady = [one for one in able if not one.draining]
        pool = steady if steady and self.rng.random() < 0.9 else able
        return pool[int(self.rng.random() * len(pool))] if pool else None

    def start_gateway(self, slot: int) -> None:
        made = SimGateway(
            f"g{slot}",
            loop=self.loop,
            rng=self.rng,
            tally=self.tally,
            database=self.database,
            exchange=self.exchange,
            sizes=self.scenario.sizes,
            flaky=self.scenario.flaky,
            counts=self.scenario.counts,
        )
        if slot == len(self.gateways):
            self.gateways.append(made)
        else:
            self.gateways[slot] = made
        made.start()

    def run(self) -> None:
        """Start everything, let the faults strike, and wait until all is calm and caught up."""
        for slot in range(self.scenario.gateways):
            self.start_gateway(slot)
        for number, (recipient, topics) in enumerate(self.scenario.readers):
            self._add_client(number, recipient, topics)
        for task in self.scenario.tasks:
            self._publishing += 1
            publisher = Publisher(
                task,
                loop=self.loop,
                rng=self.rng,
                tally=self.tally,
                exchange=self.exchange,
                choose=self.choose,
                wall=self.wall,
                record=self.history.published,
            )
            self.publishers.append(publisher)
            self.loop.create_task(publisher.run()).add_done_callback(self._published_all)
        nemesis = Nemesis(self)
        nemesis.schedule(self.scenario.faults)
        self.loop.call_later(self.scenario.active_s, self._calm, nemesis)
        self.loop.run()

    def _add_client(self, number: int, recipient: str, topics: tuple[str, ...]) -> None:
        reader = Reader(f"c{number}", channels_of(recipient, topics), [])
        self.history.readers.append(reader)
        client = Client(
            reader,
            recipient=recipient,
            topics=topics,
            loop=self.loop,
            rng=self.rng,
            tally=self.tally,
            habits=self.scenario.habits[number],
            choose=self.choose,
            wall=self.wall,
            note=self.note,
            channel_of=self._channel_of,
            on_unread=lambda client, count, at: compare_unread(self, client, count, at),
        )
        self.clients.append(client)
        self.loop.create_task(client.run())

    def _channel_of(self, notification_id: str) -> str:
        """On which channel it is; a recall's event says only its id."""
        name = recall_name(notification_id)
        return next((one.channel for one in self.database.own.said if one.notification_id == name), "")

    def _published_all(self, _: object) -> None:
        self._publishing -= 1

    def _calm(self, nemesis: Nemesis) -> None:
        nemesis.heal()
        for client in self.clients:
            client.calm = True
        self._look(self.loop.now + CALM_S)

    def _look(self, deadline: float) -> None:
        """Stop once every stream has caught up, or when nothing has moved until the deadline."""
        behind, moved = self._behind(), self._progress()
        if self._publishing or moved != self._moved:
            self._moved = moved
            deadline = self.loop.now + CALM_S
        if not behind or self.loop.now >= deadline:
            self.stuck = behind
            self.loop.stop()
        else:
            self.loop.call_later(LOOK_S, self._look, deadline)

    def _progress(self) -> tuple[int, ...]:
        """How far everything is. A slow store takes its time for a long queue, and is not stuck."""
        places = [one.tail.position for one in self.gateways if one.alive]
        return len(self.exchange.queue), len(self.database.rows), *places

    def _behind(self) -> str:
        """Who is not done yet; empty when all are."""
        if self._publishing:
            return "a publisher is not done"
        if self.exchange.queue or any(link.outstanding for link in self.exchange.links):
            return "the ingest queue is not empty"
        for client in self.clients:
            gateway_of = client.gateway
            if not (gateway_of and client.wire and gateway_of.caught_up(client.wire, self.database)):
                return f"{client.reader.name} has not caught up"
        return ""


def simulate(seed: int, *, traced: bool = False) -> Outcome:
    """Run `seed` and judge it."""
    world = World(seed, traced=traced)
    broken = ""
    with (
        world.loop.running(),
        _small(world.scenario.limits),
        _virtual_time(world.loop, world.rng),
        _quiet(world.tally),
    ):
        try:
            world.run()
        except Livelock as exc:
            broken = f"livelock: {exc}"
        except Exception as exc:  # noqa: BLE001 - whatever ends a task of the core is the run's result
            broken = f"{type(exc).__name__}: {exc}"
    history = world.history
    database = world.database
    history.published += database.own.said
    history.withdrawn |= database.withdrawn
    history.recalled |= database.own.ever_recalled
    history.places |= database.ever | database.own.places
    for one in world.gateways:
        world.tally["tail evicted"] += one.alive and one.tail.start > 0
    broken = broken or world.stuck or out_of_contract(world) or disagreement(world)
    return Outcome(seed, check(history), broken, world.tally, _digest(world), world.loop.steps, world.trace)


def _digest(world: World) -> str:
    """Of the number of steps, the state of the dice after the last of them, and all that was published and seen."""
    seen = [reader.sightings for reader in world.history.readers]
    went = (world.loop.steps, world.loop.now, world.rng.getstate(), world.history.published, seen)
    return hashlib.blake2b(repr(went).encode(), digest_size=8).hexdigest()


@contextmanager
def _small(limits: Limits) -> Iterator[None]:
    """The core's limits, scaled down."""
    with ExitStack() as stack:
        for module, name, value in (
            (stream, "MAX_PULL_EVENTS", limits.pull_events),
            (stream, "MAX_PULL_BYTES", limits.pull_bytes),
            (connection, "FIRST_PAGE_EVENTS", limits.page_events),
            (replay, "MIN_PAGE_EVENTS", 1),
            (replay, "MAX_PAGE_EVENTS", 4 * limits.page_events),
            (pump, "PIECE_BYTES", limits.piece_bytes),
            (pump, "SLICE", 2),
            (pump, "FEW", limits.few),
            (relay, "STRETCH_EVENTS", limits.stretch_events),
            (append, "MAX_BATCH", limits.batch_events),
            (pause, "PATIENCE_S", limits.patience_s),
            (pause, "LOOK_S", 0.05),
            (pace, "MAX_STRETCH_S", -1.0 if limits.few == 4 else pace.MAX_STRETCH_S),  # a rest after each step, or none
            (pause, "MAX_WAIT_S", min(2.0, 2 * limits.patience_s)),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield


@contextmanager
def _quiet(tally: Counter[str]) -> Iterator[None]:
    """No log; but an exception that the pump logs and survives is counted."""
    logger = logging.getLogger("notify_sse")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with patch.object(pump.logger, "exception", lambda *_, **__: tally.update(("stream broke",))):
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _virtual_time(loop: SimLoop, rng: Random) -> Iterator[None]:
    """The clocks and the dice of the core are the run's own."""
    clock = SimpleNamespace(monotonic=lambda: loop.now, time=lambda: WALL_S + loop.now)
    dice = SimpleNamespace(Random=lambda: rng, random=rng.random)
    with ExitStack() as stack:
        for module, name, value in (
            (ingest, "time", clock),
            (pace, "time", clock),
            (pump, "time", clock),
            (replay, "time", clock),
            (pump, "random", dice),
            (registry, "random", dice),
            (admission, "random", dice),
            (greeting, "random", dice),
            (append, "random", dice),
            (recall, "random", dice),
            (ingest, "new_id", lambda: f"{rng.getrandbits(64):x}"),
            (outage, "time", clock),
            (unread, "time", clock),
        ):
            stack.enter_context(patch.object(module, name, value))
        yield
