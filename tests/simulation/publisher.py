"""A publisher: one notification after the other, each until it is accepted or given up, always with the same id."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Literal, cast

import msgspec

from notify_sse.core.channels import routing_key
from notify_sse.core.parse import rfc3339
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable
from tests.simulation.broker import Exchange
from tests.simulation.database import POISON
from tests.simulation.gateway import SimGateway
from tests.simulation.loop import SimLoop
from tests.support.checker import Outcome, Published
from tests.support.contract import channel_of

Way = Literal["amqp", "http", "either"]
ATTEMPTS: Final = 5
OUTCOMES: Final[dict[int, Outcome]] = {200: "accepted", 201: "accepted", 503: "unknown", 504: "unknown"}
"""By status; any other is a refusal."""
ANSWER_S: Final = 2.5
Request = Callable[[SimGateway, Callable[[int], None]], None]
"""Asks a gateway, which gives the status to what it is given."""


class Task(msgspec.Struct, frozen=True):
    """What one publisher does: `spoil` is how often it publishes what must be refused, `mortal` what expires,
    `nameless` (besides) something without an id, once, and `recall` how often it takes one back.
    """

    name: str
    way: Way
    count: int
    every_s: float
    channels: tuple[str, ...]
    spoil: float
    mortal: float
    nameless: float
    recall: float


class Publisher:
    """Runs a `Task` and records the answers."""

    def __init__(
        self,
        task: Task,
        *,
        loop: SimLoop,
        rng: Random,
        tally: Counter[str],
        exchange: Exchange,
        choose: Callable[[], SimGateway | None],
        wall: Callable[[], float],
        record: list[Published],
    ) -> None:
        self.recalled: list[Published] = []
        """What it took back: each recall of these was accepted."""
        self._task = task
        self._loop = loop
        self._rng = rng
        self._tally = tally
        self._exchange = exchange
        self._choose = choose
        self._wall = wall
        self._record = record

    async def run(self) -> None:
        task = self._task
        for number in range(task.count):
            await self._pause(self._rng.random() * 2 * task.every_s)
            if self._rng.random() < task.nameless:
                await self._publish_nameless(number)
            document = self._document(number)
            if task.way != "http" and self._rng.random() < task.spoil:
                await self._publish_spoilt(document)
                continue
            outcome = await self._publish(document)
            if outcome == "refused":
                self._tally["wrongly refused"] += 1
            self._note(document, outcome, ordered=task.way != "either")
            if task.recall and outcome == "accepted" and self._rng.random() < task.recall:
                await self._recall()
            if task.way == "http" and outcome == "accepted" and self._rng.random() < task.spoil:
                await self._publish_again_changed(document)

    async def _pause(self, seconds: float) -> None:
        done = self._loop.create_future()
        self._loop.call_later(seconds, done.set_result, None)
        await done

    def _document(self, number: int) -> dict[str, Any]:
        channel = self._task.channels[int(self._rng.random() * len(self._task.channels))]
        kind, _, name = channel.partition(":")
        document = {
            "notification_id": f"{self._task.name}-{number}",
            "notification_type": "note",
            "recipient_id" if kind == "recipient" else "topic": name,
            "timestamp": self._time(0.0),
            "payload": {"number": number, "text": "line\nline"},
        }
        if self._rng.random() < self._task.mortal:
            document["expires_at"] = self._time(self._rng.random() * 4 - 1)
        return document

    def _time(self, from_now_s: float) -> str:
        return rfc3339(datetime.fromtimestamp(self._wall() + from_now_s, tz=UTC))

    def _note(self, document: dict[str, Any], outcome: Outcome, *, ordered: bool) -> None:
        self._record.append(
            Published(
                document["notification_id"],
                channel_of(document),
                document,
                self._task.name,
                outcome,
                ordered=ordered,
                may_expire="expires_at" in document,
            )
        )

    async def _publish(self, document: dict[str, Any]) -> Outcome:
        raw = msgspec.json.encode(document)
        for _ in range(ATTEMPTS):
            by_amqp = self._task.way == "amqp" or (self._task.way == "either" and self._rng.random() < 0.5)
            outcome = await (self._by_amqp(raw, document) if by_amqp else self._by_http(self._post(raw)))
            if outcome != "unknown":
                return outcome
            await self._pause(self._rng.random() * 0.6)
        return "unknown"

    async def _by_amqp(self, raw: bytes, document: dict[str, Any], *, key: str = "") -> Outcome:
        key = key or routing_key(channel_of(document), document["notification_type"])
        try:
            await self._exchange.publish(Message(raw, key, document["notification_id"]))
        except BrokerUnavailable:
            return "unknown"
        return "accepted"

    async def _recall(self) -> None:
        """Take back one of the last that were accepted."""
        mine = [one for one in self._record[-8:] if one.publisher == self._task.name and one.outcome == "accepted"]
        one = mine[int(self._rng.random() * len(mine))]
        document = cast("dict[str, Any]", one.content)
        for _ in range(ATTEMPTS):
            if self._task.way == "amqp" or (self._task.way == "either" and self._rng.random() < 0.5):
                outcome = await self._by_amqp(msgspec.json.encode(document | {"recall": True}), document)
            else:
                outcome = await self._by_http(
                    lambda gateway, answer: gateway.recall(one.channel, one.notification_id, answer)
                )
            if outcome == "accepted":
                self._tally["recalled"] += 1
                self.recalled.append(one)
            if outcome != "unknown":
                return
            await self._pause(self._rng.random() * 0.6)

    def _post(self, raw: bytes) -> Request:
        return lambda gateway, answer: gateway.post(raw, answer)

    async def _by_http(self, request: Request) -> Outcome:
        gateway = self._choose()
        if gateway is None:
            return "unknown"
        status: asyncio.Future[int] = self._loop.create_future()
        request(gateway, lambda code: self._answered(status, code))
        timer = self._loop.call_later(ANSWER_S, _set, status, 504)
        code = await status
        timer.cancel()
        return OUTCOMES.get(code, "refused")

    def _answered(self, status: asyncio.Future[int], code: int) -> None:
        if self._rng.random() < self._exchange.weather.lose_confirm:
            self._tally["answer lost"] += 1
        else:
            self._loop.call_later(self._rng.random() * 0.003, _set, status, code)

    async def _publish_nameless(self, number: int) -> None:
        """Once only: nobody could tell a second one from another notification."""
        payload = {"number": f"{self._task.name}-{number}"}
        document = {"notification_type": "note", "recipient_id": "nameless", "payload": payload}
        raw = msgspec.json.encode(document)
        with suppress(BrokerUnavailable):
            await self._exchange.publish(Message(raw, "recipient.nameless.note", ""))
        self._tally["published without an id"] += 1

    async def _publish_spoilt(self, document: dict[str, Any]) -> None:
        """Over AMQP, what ingest must refuse: the broker confirms it all the same."""
        raw, key = msgspec.json.encode(document), ""
        way = int(self._rng.random() * 3)
        if way == 0:
            raw = raw[:-1]
        elif way == 1:
            key = "recipient.somebody-else.note"
        else:
            document["notification_type"] = POISON
            raw = msgspec.json.encode(document)
        if await self._by_amqp(raw, document, key=key) == "accepted":
            self._tally["spoilt"] += 1
        self._note(document, "refused", ordered=False)

    async def _publish_again_changed(self, document: dict[str, Any]) -> None:
        """Over HTTP, the id of what is in the log with other content."""
        changed = document | {"payload": {"changed": True}}
        self._note(changed, await self._by_http(self._post(msgspec.json.encode(changed))), ordered=False)


def _set(status: asyncio.Future[int], code: int) -> None:
    if not status.done():
        status.set_result(code)
