"""Publishers: each notification until it is accepted or given up, always with the same id, in order per recipient.

A lane is one recipient of one publisher: the next notification follows only after the answer to the one before. Over
AMQP as any client does it (aio-pika, confirms), with our own `Publisher`, and over HTTP, in arrays too.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol

import aio_pika
import msgspec
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError

from notify_sse import Publisher
from notify_sse.errors import BrokerUnavailable
from tests.fault.http import Connection
from tests.fault.ledger import Ledger
from tests.support.checker import Outcome
from tests.support.contract import key_of

ATTEMPT_S = 4.0
MAX_ARRAY = 12
RECONNECT_S = 0.2


class Way(Protocol):
    """How documents get to the service: one attempt, within ATTEMPT_S, with `most` documents or fewer."""

    most: int

    async def publish(self, documents: Sequence[dict[str, Any]]) -> Outcome: ...

    async def close(self) -> None: ...


class ForeignAmqp:
    """aio-pika without reconnects of its own: a failure of any kind makes a new connection."""

    most = 1

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._next_at = 0.0

    async def publish(self, documents: Sequence[dict[str, Any]]) -> Outcome:
        (document,) = documents
        body = msgspec.json.encode(document)
        return await self.publish_raw(body, key=key_of(document), message_id=document["notification_id"])

    async def publish_raw(self, body: bytes, *, key: str, message_id: str) -> Outcome:
        message = aio_pika.Message(
            body,
            content_type="application/json",
            message_id=message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        channel: AbstractChannel | None = None
        try:
            async with asyncio.timeout(ATTEMPT_S):
                channel = await self._opened()
                exchange = await channel.get_exchange(self._prefix, ensure=False)
                await exchange.publish(message, key, mandatory=True)
        except Exception:  # noqa: BLE001 - a lost connection has many names in aio-pika, `Exception()` among them
            self._forget(channel)
            return "unknown"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._forget(channel)  # aiormq's word for a connection that was lost
            return "unknown"
        return "accepted"

    async def _opened(self) -> AbstractChannel:
        async with self._opening:
            if self._channel is None:
                await asyncio.sleep(max(0.0, self._next_at - time.monotonic()))
                self._next_at = time.monotonic() + RECONNECT_S
                self._connection = await aio_pika.connect(self._url, heartbeat=10)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._channel

    def _forget(self, channel: AbstractChannel | None) -> None:
        if self._channel is channel and self._connection is not None:
            connection, self._channel, self._connection = self._connection, None, None
            self._closing = asyncio.create_task(_close(connection))

    async def close(self) -> None:
        if self._connection:
            await _close(self._connection)
        if closing := getattr(self, "_closing", None):
            await asyncio.wait([closing], timeout=3)


class OurAmqp:
    """`notify_sse.Publisher`, which reconnects and tries again by itself."""

    most = 1

    def __init__(self, url: str, prefix: str) -> None:
        self._publisher = Publisher(url, amqp_prefix=prefix, timeout_s=ATTEMPT_S * 2)
        self._entered = False

    async def publish(self, documents: Sequence[dict[str, Any]]) -> Outcome:
        if not self._entered:
            self._entered = True
            await self._publisher.__aenter__()
        (document,) = documents
        try:
            await self._publisher.publish(**document)
        except BrokerUnavailable:
            return "unknown"
        return "accepted"

    async def close(self) -> None:
        if self._entered:
            await self._publisher.__aexit__(None, None, None)


class Http:
    """`POST /notifications` at any gateway, another one after each failure."""

    most = MAX_ARRAY

    def __init__(self, choose: Callable[[], int], token: str, ledger: Ledger) -> None:
        self._choose = choose
        self._token = token
        self._ledger = ledger
        self._idle: list[Connection] = []

    async def publish(self, documents: Sequence[dict[str, Any]]) -> Outcome:
        connection = self._idle.pop() if self._idle else Connection(self._choose())
        body = msgspec.json.encode(documents[0] if len(documents) == 1 else documents)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            status, answer = await connection.request(
                "POST", "/notifications", headers=headers, body=body, within_s=ATTEMPT_S
            )
        except (OSError, EOFError, TimeoutError, ValueError):
            return "unknown"
        self._ledger.seen[f"POST answered {status}"] += 1
        if status == 409:
            self._idle.append(connection)
            return "refused"
        if status not in (200, 201):
            connection.close()
            return "unknown" if status == 503 else "refused"
        self._idle.append(connection)
        self._note_places(documents, answer)
        return "accepted"

    def _note_places(self, documents: Sequence[dict[str, Any]], answer: bytes) -> None:
        receipts = msgspec.json.decode(answer)
        for document, receipt in zip(documents, receipts if isinstance(receipts, list) else [receipts], strict=True):
            position = int(receipt["cursor"].rpartition(".")[2])
            known = self._ledger.history.places.setdefault(document["notification_id"], position)
            if known != position:
                self._ledger.seen["receipts with another place"] += 1

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()


class Lane:
    """One publisher's notifications for one channel, in order, about `every_s` apart."""

    def __init__(
        self,
        publisher: str,
        channel: str,
        way: Way,
        *,
        ledger: Ledger,
        rng: Random,
        every_s: float,
        give_up_s: float,
        mortal: float = 0.01,
        abandon: float = 0.002,
        forgetful: float = 0.01,
    ) -> None:
        """`mortal`, `abandon`, `forgetful`: the shares of what expires soon, of what is tried once only, and of what a
        publisher that forgot its success publishes again.
        """
        self.publisher = publisher
        self.channel = channel
        self.sequence = 0
        self._way = way
        self._ledger = ledger
        self._rng = rng
        self._every_s = every_s
        self._give_up_s = give_up_s
        self._mortal = mortal
        self._abandon = abandon
        self._forgetful = forgetful

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`, and finish what is under way."""
        behind_s = 0.0
        while not stop.is_set():
            count = self._rng.choice((1, 1, 3, self._way.most)) if self._way.most > 1 else 1
            wait_s = self._rng.expovariate(1 / (self._every_s * count))
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, wait_s - behind_s)):
                    await stop.wait()
            except TimeoutError:
                await self.publish(count)
                behind_s = min(5.0, max(0.0, behind_s + time.monotonic() - began - wait_s))

    async def publish(self, count: int) -> None:
        """The next `count`, together."""
        documents = [self._document() for _ in range(count)]
        outcome: Outcome = "unknown"
        deadline = time.monotonic() + (0.0 if self._rng.random() < self._abandon else self._give_up_s)
        attempts = 0
        while True:
            attempts += 1
            outcome = await self._way.publish(documents)
            if outcome != "unknown" or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1 + self._rng.random() * 0.4)
        self._ledger.seen["publishes retried"] += attempts - 1
        if outcome == "accepted" and self._rng.random() < self._forgetful:
            self._ledger.seen["publishes retried"] += 1
            await self._way.publish(documents)
        if outcome == "refused":
            self._ledger.seen["wrongly refused"] += 1
        for document in documents:
            self._ledger.published(document, publisher=self.publisher, outcome=outcome)

    def _document(self) -> dict[str, Any]:
        self.sequence += 1
        kind, _, name = self.channel.partition(":")
        document: dict[str, Any] = {
            "notification_id": f"{self.publisher}/{self.channel[:40]}/{self.sequence}",
            "notification_type": self._rng.choice(("new_message", "account_update", "system_alert")),
            "recipient_id" if kind == "recipient" else "topic": name,
            "timestamp": _time(time.time()),
            "payload": {"sequence": self.sequence, "text": "line\nline " * self._rng.randrange(1, 12)},
        }
        if self._rng.random() < self._mortal:
            document["expires_at"] = _time(time.time() + self._rng.uniform(-1, 5))
        return document


class Spoiler:
    """Publishes what must be refused, over AMQP, and counts what the broker confirmed: each must be a dead letter."""

    def __init__(self, way: ForeignAmqp, *, ledger: Ledger, rng: Random, every_s: float, mark: str = "") -> None:
        self.confirmed: set[str] = set()
        self._mark = mark
        self._way = way
        self._ledger = ledger
        self._rng = rng
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            try:
                async with asyncio.timeout(self._rng.expovariate(1 / self._every_s)):
                    await stop.wait()
            except TimeoutError:
                number += 1
                await self._spoil(number)

    async def _spoil(self, number: int) -> None:
        name = f"spoilt/{self._mark}/{number}"
        document = {"notification_id": name, "notification_type": "spoilt", "recipient_id": "nobody", "payload": {}}
        body, key = msgspec.json.encode(document), key_of(document)
        way = self._rng.randrange(3)
        if way == 0:
            body = body[:-1]
        elif way == 1:
            key = "recipient.somebody-else.spoilt"
        else:
            body = msgspec.json.encode(document | {"payload": 7})
        outcome = await self._way.publish_raw(body, key=key, message_id=name)
        if outcome == "accepted":
            self.confirmed.add(name)
        self._ledger.published(document, publisher="spoiler", outcome="refused", ordered=False)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(2):
            await connection.close()
    except (AMQPError, OSError, TimeoutError, RuntimeError, asyncio.CancelledError):
        return
