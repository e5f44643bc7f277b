"""Clients that drop and come back, anywhere, with their last cursor; what they see goes to the ledger.

One task each, a connection at a time. Their habits are drawn from the run's seed; the nemesis plays with them too.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import msgspec

from notify_sse.core.cursor import Cursor
from tests.fault.ledger import Ledger, content_of
from tests.fault.trace_judge import Attempt
from tests.support.checker import Connected, ResetTold, Seen
from tests.support.contract import channel_of, channels_of, cursor_of
from tests.support.event_stream import Message
from tests.support.holding import Holding
from tests.support.sightings import control_sighting
from tests.support.streams import OpenStream, open_stream

CONNECT_S = 3.0
BEATS_MISSED = 3
NEVER_S = 1e9
FAR_AWAY = 10**17
HELD = 300


class Habits(msgspec.Struct, frozen=True):
    """`stay_s` is the mean time between drops; `token_s` how long its tokens last; `absent_s` the longest it stays away
    once in a while (`hibernate` of its drops).
    """

    stay_s: float = 20.0
    away_s: float = 0.5
    token_s: float = 3600.0
    hibernate: float = 0.0
    absent_s: float = 0.0
    direct: bool = False
    obedient: bool = False
    """Comes back exactly when `retry:` says, as an EventSource does."""
    prepare: Callable[[socket.socket], None] | None = None
    """Given each socket before it connects."""


class Client:
    """One reader through all its connections.

    `choose` gives the port to connect to, `token` a token for `(recipient, topics, seconds)`.
    """

    def __init__(
        self,
        name: str,
        *,
        recipient: str,
        topics: Sequence[str],
        ledger: Ledger,
        rng: Random,
        habits: Habits,
        choose: Callable[[bool], int],
        token: Callable[[str, Sequence[str], float], str],
        heartbeat_s: float,
    ) -> None:
        self.name = name
        self.recipient = recipient
        self.topics = tuple(topics)
        self.calm = False
        """Whether it drops nothing by itself any more; see `settle`."""
        self.absent = False
        self.stalling = False
        self.cursor = ""
        self.place: Cursor | None = None
        self.bring: str | None = None
        """What to bring next time in place of its cursor: nothing that it ever got, so that it is told of a reset."""
        self.rewind: str | None = None
        """A place that it goes back to next time. From there it is another reader, owed all that follows."""
        self.next_token_s: float | None = None
        self.connected = False
        self.port = 0
        """Where it is connected, or was last."""
        self.opened = 0
        self.attempts: list[Attempt] = []
        """Every try to connect, the last one at the end."""
        self.reader = ledger.reader(name, channels_of(recipient, topics))
        self.holding = Holding(recipient, most=HELD)
        self._ledger = ledger
        self._rng = rng
        self._habits = habits
        self._choose = choose
        self._token = token
        self._heartbeat_s = heartbeat_s
        self._stream: OpenStream | None = None
        self._heard_at = 0.0
        self._retry_s = 0.0
        self._asked_at: float | None = None
        self._brought = ""
        self._forged = False
        self._leave_at = NEVER_S
        self._tokens: dict[int, tuple[float, str]] = {}
        self._token_ends_at = 0.0
        self._settled = asyncio.Event()

    async def run(self) -> None:
        """Connect, read, come back, until cancelled."""
        try:
            while True:
                try:
                    await self._once()
                except (OSError, TimeoutError):
                    self._ledger.seen["connects failed"] += 1
                    await asyncio.sleep(0.1 + self._rng.random() * 0.3)
                await self._rest(self._pause_s())
        finally:
            self.drop()

    def settle(self) -> None:
        """Come back now, and stay."""
        self.calm = True
        self.go_on()
        self._settled.set()

    async def _rest(self, seconds: float) -> None:
        self.absent = seconds > 2
        if self.calm:
            await asyncio.sleep(seconds)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._settled.wait()
        self.absent = False

    def drop(self, *, politely: bool = False) -> None:
        """Lose the connection."""
        if self._stream and not self._stream.ended.done():
            self._ledger.seen["client drops"] += 1
            self._ledger.departed(self.name, self.reader.channels)
            if politely:
                self._stream.close()
            else:
                self._stream.drop()

    def stall(self) -> OpenStream:
        """Read nothing, until `go_on` or the end of the connection, which is returned. Only while `connected`."""
        assert self._stream
        self.stalling = True
        self._stream.pause()
        return self._stream

    def go_on(self) -> None:
        self.stalling = False
        self._heard_at = time.monotonic()
        if self._stream and not self._stream.ended.done():
            self._stream.go_on()

    def look(self, now: float) -> None:
        """Drop what has been silent for too long, or has lasted long enough."""
        if not self.connected or self.stalling:
            return
        if now - self._heard_at > BEATS_MISSED * self._heartbeat_s:
            self._ledger.seen["watchdog"] += 1
            self.drop()
        elif now > self._leave_at and not self.calm:
            self.drop(politely=self._rng.random() < 0.5)

    def _pause_s(self) -> float:
        retry_s, self._retry_s = self._retry_s, 0.0
        if not self.calm and self._rng.random() < self._habits.hibernate:
            self._ledger.seen["hibernations"] += 1
            return self._habits.absent_s * (0.5 + self._rng.random() / 2)
        away_s = min(0.2, self._habits.away_s) if self.calm else self._habits.away_s
        return retry_s + self._rng.random() * away_s

    async def _once(self) -> None:
        if self.rewind is not None:
            self._go_back(self.rewind)
            self.rewind = None
        self._brought = self.cursor if self.bring is None else self.bring
        self.bring = None
        headers = {"Authorization": f"Bearer {self._fresh_token()}"}
        params = {"topics": ",".join(self.topics)} if self.topics else {}
        by_query = self._rng.random() < 0.3
        if self._brought and by_query:
            params["last_event_id"] = self._brought
        missed = self.place is not None and self._ledger.behind(self.place, self.reader.channels)
        self._forged = self._brought != self.cursor
        heard: list[OpenStream] = []

        def hear(message: Message) -> None:
            if not heard or self._stream is heard[0]:
                self._hear(message)

        self._heard_at = self._asked_at = time.monotonic()
        if not missed or self._forged:
            self._asked_at = None
        self.port = port = self._choose(self._habits.direct)
        self._stream = None
        self._begin_attempt()
        stream = await open_stream(
            f"http://127.0.0.1:{port}/notifications/stream",
            on_message=hear,
            params=params,
            headers=headers,
            last_event_id="" if by_query else self._brought,
            within_s=CONNECT_S,
            prepare=self._habits.prepare,
        )
        self._stream = stream
        heard.append(stream)
        if stream.status == 401 and time.monotonic() > self._token_ends_at - 0.1:
            self._ledger.seen["tokens that ended on the way"] += 1
        else:
            self._ledger.answers[stream.status] += 1
        self._heard_at = time.monotonic()
        self._leave_at = self._heard_at + self._rng.expovariate(1 / self._habits.stay_s)
        self.connected = True
        self.opened += 1
        try:
            await asyncio.shield(stream.ended)
        finally:
            self.connected = self.stalling = False
            stream.drop()
        if self._habits.obedient:
            self._retry_s = (stream.parser.retry_ms or 3000) / 1000
        elif stream.parser.retry_ms is not None and not self.calm:
            self._retry_s = min(1.0, stream.parser.retry_ms / 1000 * self._rng.random())

    def _begin_attempt(self) -> None:
        """Nothing more is heard on the connection before."""
        if self.attempts and self.attempts[-1].reader is self.reader:
            self.attempts[-1].last = len(self.reader.sightings)
        where = f"port {self.port} from {self._ledger.now():.1f} s"
        self.attempts.append(Attempt(self._brought, self.reader, len(self.reader.sightings), where=where))

    def _go_back(self, cursor: str) -> None:
        """Close the record of this reader where it stands, and begin another one."""
        if self.place:
            end = Cursor(self.place.epoch, FAR_AWAY)
            self.reader.sightings.append(ResetTold("expired", self.place, end))
        self.reader = self._ledger.reader(f"{self.name} from {cursor}", self.reader.channels)
        self.cursor, self.place = cursor, cursor_of(cursor)
        self.holding.reset()
        self.reader.sightings.append(Connected("", self.place))

    def _fresh_token(self) -> str:
        seconds = self.next_token_s or (3600.0 if self.calm else self._habits.token_s)
        self.next_token_s = None
        self._token_ends_at = time.monotonic() + seconds
        if seconds < 60:
            return self._token(self.recipient, self.topics, seconds)
        made_at, token = self._tokens.get(0, (0.0, ""))
        if time.monotonic() - made_at > 600 or not token:
            token = self._token(self.recipient, self.topics, 3600.0)
            self._tokens[0] = (time.monotonic(), token)
        return token

    def _hear(self, message: Message) -> None:
        self._heard_at = time.monotonic()
        document = msgspec.json.decode(message.data)
        if message.event == "message":
            self._receive(message, document)
            return
        if message.event == "closing" and document["reason"] == "busy":
            self._ledger.seen["closing busy"] += 1  # refused: there was no stream
            return
        if message.event in ("read", "recalled"):
            self._hear_of(message, document)
            return
        if message.event == "connected":
            self.attempts[-1].connection_id = document["connection_id"]
        self.reader.sightings.append(control_sighting(message.event, document, brought=self._brought))
        if message.event == "reset":
            self.holding.reset()
            self._ledger.told(document["reason"], to=cursor_of(document["to"]), forged=self._forged)
            self._asked_at = None
        elif message.event == "closing":
            self._ledger.seen[f"closing {document['reason']}"] += 1
        elif message.event == "expiring":
            self._ledger.seen["expiring"] += 1
        if message.id is not None:
            self.cursor = message.id
            self.place = cursor_of(message.id)

    def _hear_of(self, message: Message, document: dict[str, Any]) -> None:
        """A read mark or a recall: an event in the stream like any other, which the judge calls by its place."""
        ledger, place = self._ledger, cursor_of(message.id or "")
        if message.event == "read":
            channel = ledger.one(f"recipient:{self.recipient}")
            self.holding.marked(document, place=place.position)
        else:
            channel = ledger.channel_of_recalled(document["notification_id"])
            self.holding.recalled(document["notification_id"], place=place.position)
        name = ledger.one(f"!{message.event} {place.position}")
        self.reader.sightings.append(Seen(place, name, channel, content_of(document)))
        self.cursor, self.place = message.id or "", place
        ledger.seen[f"{message.event} told"] += 1

    def _receive(self, message: Message, document: dict[str, Any]) -> None:
        ledger = self._ledger
        place = cursor_of(message.id or "")
        name, channel = ledger.one(str(document["notification_id"])), ledger.one(channel_of(document))
        self.reader.sightings.append(Seen(place, name, channel, content_of(document)))
        self.cursor, self.place = message.id or "", place
        self.holding.received(name, place=place.position, channel=channel)
        ledger.delivered += 1
        ledger.know(channel, place.position)
        if self._asked_at is not None:
            ledger.time("client back → first missed event", since=self._asked_at, now=self._heard_at)
            self._asked_at = None
        if (payload := document["payload"]) and "phase" in payload:
            ledger.times[f"publish → receive, {payload['phase']}"].add(self._heard_at - payload["at"])
        if name.startswith("probe/"):
            ledger.history.places.setdefault(name, place.position)
        if name in ledger.orphans:
            ledger.arrived(name, reader=self.name, now=self._heard_at)


async def look_after(clients: Sequence[Client], *, every_s: float = 0.25) -> None:
    """The clients' own watchdogs, in one task; until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        now = time.monotonic()
        for client in clients:
            client.look(now)
