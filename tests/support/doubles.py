"""A store and a broker that a test holds in its hand: it says when a call is carried out, and how it fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import msgspec

from notify_sse.core.channels import routing_key
from notify_sse.core.erasure import Erasure, Recalled
from notify_sse.core.model import Notification
from notify_sse.core.ports import Appended, Broker, Delivery, Head, Page, Store
from notify_sse.errors import BrokerUnavailable, StoreUnavailable
from notify_sse.telemetry.metrics import Metrics
from tests.simulation.database import Database
from tests.simulation.tally import TallyMetrics
from tests.support.notifications import parsed


class HandStore:
    """The log is `database`. `failures` are raised one per call, before it is carried out or (`late`) after; while
    `gate` is not set, calls wait.
    """

    def __init__(self) -> None:
        self.database = Database()
        self.failures: list[Exception] = []
        self.late: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.page_events = 1000
        self.asked_bytes: list[int] = []
        self.refuses_epochs = False
        self.calls: Counter[str] = Counter()

    async def _pass(self, name: str) -> None:
        self.calls[name] += 1
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)

    async def append(self, batch: Sequence[Notification]) -> Appended:
        self.batches.append([one.notification_id for one in batch])
        await self._pass("append")
        appended = self.database.append(batch)
        if self.late:
            raise self.late.pop(0)
        return appended

    async def recall(self, channel: str, notification_id: str) -> Recalled | None:
        await self._pass("recall")
        return self.database.recall(channel, notification_id)

    @property
    def erasure(self) -> Erasure:
        """As far as ingest uses it."""
        return cast("Erasure", self)

    async def head(self) -> Head:
        await self._pass("head")
        return self.database.head

    async def stretch(self, after: int, *, limit: int) -> Page:
        await self._pass("stretch")
        return self.database.stretch(after, limit)

    async def newest(self, *, max_events: int, max_bytes: int, before: int | None = None) -> Page:
        self.asked_bytes.append(max_bytes)
        await self._pass("newest")
        return self.database.newest(min(max_events, self.page_events), before)

    async def after(self, cursor: int, channels: Sequence[str], *, limit: int) -> Page:
        await self._pass("after")
        return self.database.after(cursor, channels, limit)

    async def new_epoch(self, *, instead_of: str) -> str:
        await self._pass("new_epoch")
        if self.refuses_epochs:
            raise StoreUnavailable("read-only")
        return self.database.replace_epoch(instead_of)

    @property
    def port(self) -> Store:
        return cast("Store", self)


class HandBroker:
    """Writes down what was acked and dead-lettered, in order; `failures` are raised one per dead letter."""

    def __init__(self) -> None:
        self.acked: list[str] = []
        self.told: list[str] = []
        """That it was told to pause or to resume, in order."""
        self.dead: list[tuple[str, str]] = []
        self.failures = 0
        self.acks_fail = False
        self.on_ack: Callable[[str], None] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await asyncio.sleep(0)
        if self.acks_fail:
            raise BrokerUnavailable("away")
        for delivery in deliveries:
            self.on_ack(delivery.tag)
            self.acked.append(delivery.tag)

    async def pause_consuming(self) -> None:
        self.told.append("pause")

    async def resume_consuming(self) -> None:
        self.told.append("resume")

    async def dead_letter(self, delivery: Delivery, *, reason: str, detail: str) -> None:
        assert detail
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise BrokerUnavailable("not confirmed")
        self.dead.append((delivery.tag, reason))

    @property
    def port(self) -> Broker:
        return cast("Broker", self)


def metrics(tally: Counter[str] | None = None) -> Metrics:
    """Metrics that cost nothing to make, into `tally`."""
    return cast("Metrics", TallyMetrics(Counter() if tally is None else tally))


def notification(name: str, *, text: str = "", recipient: str = "alice", kind: str = "note") -> Notification:
    return parsed(document(name, text=text, recipient=recipient, kind=kind))


def document(name: str, *, text: str = "", recipient: str = "alice", kind: str = "note") -> bytes:
    content = {"recipient_id": recipient, "notification_type": kind, "payload": {"text": text}}
    return msgspec.json.encode({"notification_id": name, **content})


def delivery(
    name: str, body: bytes | None = None, *, key: str = "", content_type: str = "application/json"
) -> Delivery:
    """One delivery, with `name` as its tag."""
    return Delivery(
        body=document(name) if body is None else body,
        routing_key=key or routing_key("recipient:alice", "note"),
        content_type=content_type,
        message_id=None,
        redelivered=False,
        tag=name,
    )


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`works` as tasks, for as long as the block runs. One that ends early by an exception fails the test."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
        for task in tasks:
            assert not task.done() or task.exception() is None
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
