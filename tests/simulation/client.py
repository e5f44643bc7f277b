"""A client: connects anywhere with its last cursor, reads the bytes that come, drops, and comes back."""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgspec

from notify_sse.auth import Grant
from notify_sse.core.cursor import Cursor
from notify_sse.gateway.connection import NEVER
from tests.simulation.gateway import Names, SimGateway
from tests.simulation.loop import SimLoop
from tests.simulation.own_events import mark_name, recall_name
from tests.simulation.wire import Wire
from tests.support.checker import Reader, Seen, Sighting
from tests.support.contract import channel_of, cursor_of
from tests.support.event_stream import EventStreamParser, Message
from tests.support.holding import Holding
from tests.support.sightings import control_sighting

FORGED: Final = ("", "0", "e0.", "e0.-1", "nobody.7", "e0.999999", "e0.1\n", "x" * 200)


class Habits(msgspec.Struct, frozen=True):
    """How a client behaves: probabilities per chunk received, and times in seconds."""

    drop: float
    stall: float
    forge: float
    back_after_s: float
    reads_after_s: float
    token_s: float
    room_chunks: int
    mark: float


class Client:
    """One client and its record of what it saw."""

    def __init__(
        self,
        reader: Reader,
        *,
        recipient: str,
        topics: tuple[str, ...],
        loop: SimLoop,
        rng: Random,
        tally: Counter[str],
        habits: Habits,
        choose: Callable[[], SimGateway | None],
        wall: Callable[[], float],
        note: Callable[[str], None],
        channel_of: Callable[[str], str],
        on_unread: Callable[["Client", int, Cursor], None],
    ) -> None:
        self._on_unread = on_unread
        self.holding = Holding(recipient)
        self._channel_of = channel_of
        self._remark = note
        self.reader = reader
        self.cursor = ""
        self.calm = False
        """Once set, it neither drops nor stalls any more."""
        self.wire: Wire | None = None
        self.gateway: SimGateway | None = None
        self._brought = ""
        self._parser = EventStreamParser()
        self._loop = loop
        self._rng = rng
        self._tally = tally
        self._habits = habits
        self._choose = choose
        self._wall = wall
        self.recipient = recipient
        self._topics = topics

    def owns(self, channel: str) -> bool:
        """Whether it is the recipient's own channel."""
        return channel == f"recipient:{self.recipient}"

    async def run(self) -> None:
        while True:
            gateway = self._choose()
            heard = len(self.reader.sightings)
            if gateway:
                await self._connect(gateway)
            refused_s = 0.1 if heard == len(self.reader.sightings) else 0.0
            await self._pause(refused_s + self._rng.random() * self._habits.back_after_s)

    async def _connect(self, gateway: SimGateway) -> None:
        self._brought = self.cursor
        if self.cursor and not self.calm and self._rng.random() < self._habits.forge:
            self._tally["forged cursor"] += 1
            self._brought = self._rng.choice(FORGED[1:])
        self.gateway = gateway
        self._parser = EventStreamParser()
        self.wire = Wire(
            self._loop,
            lambda: self._rng.random() * self._habits.reads_after_s,
            self._receive,
            room_chunks=self._habits.room_chunks,
        )
        expires_at = NEVER if self.calm else self._wall() + self._habits.token_s * self._rng.random()
        grant = Grant(
            subject=self.recipient,
            scopes=frozenset(("notifications:read",)),
            topics=frozenset(self._topics),
            expires_at=expires_at,
            issued_at=None,
            token_id=self.reader.name,
        )
        gateway.accept(self.wire, grant, self._topics, self._brought)
        await self.wire.ended

    async def _pause(self, seconds: float) -> None:
        done = self._loop.create_future()
        self._loop.call_later(seconds, done.set_result, None)
        await done

    def drop(self) -> None:
        """Lose the connection."""
        if self.wire and self.wire.open:
            self._tally["client drop"] += 1
            self.wire.cut(noticed_after_s=self._rng.random() * 0.5)

    def stall(self, seconds: float) -> None:
        """Read nothing for a while."""
        if self.wire:
            self._tally["client stall"] += 1
            self.wire.stalled_until = self._loop.now + seconds

    def _receive(self, chunk: bytes) -> None:
        draw = 1.0 if self.calm else self._rng.random()
        if draw < self._habits.drop:
            chunk = chunk[: int(self._rng.random() * len(chunk))]
        elif draw < self._habits.drop + self._habits.stall:
            self.stall(self._rng.random() * 3)
        for message in self._parser.feed(chunk):
            self._see(message)
        if draw < self._habits.drop:
            self.drop()

    def _see(self, message: Message) -> None:
        data = message.json()
        if message.id is not None:
            self.cursor = message.id
        if message.event == "message":
            self._take(cursor_of(message.id or ""), data)
        elif message.event in ("read", "recalled"):
            self._hear_of(message.event, cursor_of(message.id or ""), data)
        else:
            if message.event == "connected":
                self.holding.connected(data, has_id=message.id is not None)
                if self.holding.unread is not None:
                    self._on_unread(self, self.holding.unread, cursor_of(str(data["unread_upto"])))
            elif message.event == "reset":
                self.holding.reset()
            self._note(control_sighting(message.event, data, brought=self._brought))

    def _take(self, cursor: Cursor, document: dict[str, Any]) -> None:
        sighting = seen(cursor, document)
        self._note(sighting)
        self.holding.received(sighting.notification_id, place=cursor.position, channel=sighting.channel)
        if self._habits.mark and not self.calm and self._rng.random() < self._habits.mark:
            self._mark(cursor)

    def _hear_of(self, event: str, cursor: Cursor, data: dict[str, Any]) -> None:
        """A mark or a recall. What a mark says has a serial, which the real one has not."""
        if event == "read":
            self.holding.marked(data, place=cursor.position)
            self._note(Seen(cursor, mark_name(data["serial"]), f"recipient:{self.recipient}", data))
        else:
            name = data["notification_id"]
            self.holding.recalled(name, place=cursor.position)
            self._note(Seen(cursor, recall_name(name), self._channel_of(name), data))

    def _mark(self, cursor: Cursor) -> None:
        """The user reads what there is, or marks one of them as read or as not."""
        gateway = self._choose()
        if gateway is None:
            return
        self._tally["marked"] += 1
        draw = self._rng.random()
        names = tuple(self.holding.items)
        one = names[int(self._rng.random() * len(names))]
        gateway.mark(self.recipient, str(cursor) if draw < 0.5 else Names((one, "unknown"), read=draw < 0.8))

    def _note(self, sighting: Sighting) -> None:
        self._remark(f"{self.reader.name} {sighting}")
        self.reader.sightings.append(sighting)


def seen(cursor: Cursor, document: dict[str, Any]) -> Seen:
    """A received document as a sighting."""
    return Seen(cursor, document["notification_id"], channel_of(document), document)
