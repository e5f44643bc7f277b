"""Whatever goes wrong, at its time; and the repair of it all at the end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tests.simulation.gateway import SimGateway
from tests.simulation.scenario import Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

UNDISTURBING: Final = frozenset(("log went back", "link cut", "broker away", "herd", "retention"))
"""Faults that do not keep a process from seeing its log."""
NOTICED_S: Final = 3.0
"""How long a log that went back stays without appends, until every process has looked at it. In the real world a
failover breaks the connections to the database, after which each process compares; here there are none to break."""


class Nemesis:
    """Strikes the world. Every fault ends by itself; `heal` ends them all at once."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._loop = world.loop
        self._calm = False

    def schedule(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self._loop.call_at(fault.at_s, self._strike, fault)

    def heal(self) -> None:
        """Everything is back."""
        self._calm = True
        world = self._world
        world.database.available = True
        world.exchange.available = True
        for slot, gateway in enumerate(world.gateways):
            self._thaw(gateway)
            if not gateway.alive:
                self._restart(slot, gateway)
            else:
                gateway.link.connect()

    def _strike(self, fault: Fault) -> None:
        if self._calm:
            return
        self._world.note(f"fault {fault}")
        getattr(self, "_" + fault.kind.replace(" ", "_"))(fault)
        self._world.tally[fault.kind] += 1

    def _victim(self, fault: Fault) -> tuple[int, SimGateway]:
        slot = fault.victim % len(self._world.gateways)
        return slot, self._world.gateways[slot]

    def _crash(self, fault: Fault) -> None:
        slot, gateway = self._victim(fault)
        if gateway.alive:
            gateway.crash()
            self._loop.call_later(fault.for_s, self._restart, slot, gateway)

    def _restart(self, slot: int, gateway: SimGateway) -> None:
        if self._world.gateways[slot] is gateway and not gateway.alive:
            self._world.start_gateway(slot)

    def _freeze(self, fault: Fault) -> None:
        """SIGSTOP. After a while its clients give it up, and sometimes the broker does."""
        _, gateway = self._victim(fault)
        if not gateway.alive or gateway.frozen:
            return
        gateway.frozen = True
        self._loop.call_later(fault.for_s, self._thaw, gateway)
        if fault.strength < 0.7:
            self._loop.call_later(fault.for_s * fault.strength, self._give_up, gateway)
        for wire in list(gateway.wires):
            if self._world.rng.random() < fault.strength:
                self._loop.call_later(fault.for_s * self._world.rng.random(), wire.cut)

    def _give_up(self, gateway: SimGateway) -> None:
        """The broker has heard no heartbeat."""
        if gateway.frozen:
            gateway.link.cut()

    def _thaw(self, gateway: SimGateway) -> None:
        if gateway.frozen:
            self._loop.thaw(gateway)
            gateway.link.connect()

    def _drain(self, fault: Fault) -> None:
        """SIGTERM: ends by itself, or is killed when its time is up."""
        slot, gateway = self._victim(fault)
        if not gateway.alive or gateway.draining:
            return

        def ended() -> None:
            if gateway.alive:
                gateway.crash()
                self._loop.call_later(fault.for_s, self._restart, slot, gateway)

        gateway.spawn(gateway.drain(0.5 + fault.for_s, ended))
        self._loop.call_later(2 * (0.5 + fault.for_s), ended)

    def _broker_away(self, fault: Fault) -> None:
        exchange = self._world.exchange
        exchange.available = False
        for link in list(exchange.links):
            link.cut()
        self._loop.call_later(fault.for_s, self._broker_back)

    def _broker_back(self) -> None:
        self._world.exchange.available = True
        for gateway in self._world.gateways:
            if gateway.alive and not gateway.frozen:
                self._loop.call_later(self._world.rng.random() * 0.3, self._connect, gateway)

    def _connect(self, gateway: SimGateway) -> None:
        if gateway.alive and not gateway.frozen:
            gateway.link.connect()

    def _link_cut(self, fault: Fault) -> None:
        _, gateway = self._victim(fault)
        gateway.link.cut()
        self._loop.call_later(fault.for_s, self._connect, gateway)

    def _store_away(self, fault: Fault) -> None:
        database = self._world.database
        if database.available:
            database.away_since = self._loop.now
        database.available = False
        self._loop.call_later(fault.for_s, setattr, database, "available", True)

    def _retention(self, fault: Fault) -> None:
        self._world.database.expire(int(fault.strength * 1.3 * len(self._world.database.rows)))

    def _by_hand(self, fault: Fault) -> None:
        database = self._world.database
        if database.writable:
            database.write_by_hand(1 + int(fault.strength * 4), erase=1 + int(fault.strength * 3))

    def _new_epoch(self, fault: Fault) -> None:
        """An older copy of the log was restored, as the manual says: with a new epoch, before it serves."""
        self._go_back(fault)
        self._world.database.new_epoch()

    def _log_went_back(self, fault: Fault) -> None:
        """The same, but readers see the log before it has its new epoch."""
        database = self._world.database
        if not database.writable:
            return
        database.writable = False
        self._go_back(fault)
        self._loop.call_later(NOTICED_S, self._take_up, fault)

    def _take_up(self, _: Fault) -> None:
        world = self._world
        if self._undisturbed() and not all(gateway.noticed(world.database) for gateway in world.gateways):
            world.tally["break not told"] += 1
        world.database.new_epoch()
        world.database.writable = True

    def _undisturbed(self) -> bool:
        """Whether every process had time to see its log, and hears no announcement from before it went back: such a
        one may be taken, and stands until the next comparison.
        """
        scenario = self._world.scenario
        late_ones = scenario.weather.late and scenario.weather.late_s > 1
        return not (scenario.flaky or late_ones) and {fault.kind for fault in scenario.faults} <= UNDISTURBING

    def _go_back(self, fault: Fault) -> None:
        database = self._world.database
        database.go_back(max(database.floor, int(fault.strength * len(database.rows))))

    def _herd(self, _: Fault) -> None:
        for client in self._world.clients:
            client.drop()
