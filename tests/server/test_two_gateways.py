"""Recall and erasure with two gateways on one log, every announcement between them lost: the poll of the log tells."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from notify_sse.auth.revoked import Revoked
from notify_sse.config import read_settings
from notify_sse.core.control import CloseReason, ControlEvent
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame
from notify_sse.core.ports import Store
from notify_sse.core.stream import Stream
from notify_sse.gateway import relay
from notify_sse.gateway.connection import Connection
from notify_sse.log.announce import Announcer
from notify_sse.log.recall import Recalls
from notify_sse.server.way_out import WayOut
from notify_sse.store import open_erasure, open_store
from notify_sse.telemetry.outage import Outage
from tests.support.doubles import metrics, notification, running
from tests.support.polling import until

ALICE, BOB = "recipient:alice", "recipient:bob"
CANARY = "canary-of-two-gateways"


class Client:
    """Writes down what it is sent, and takes everything at once."""

    name = "double"
    greets = True
    takes_all = True
    buffered_bytes = 0

    def __init__(self) -> None:
        self.got: list[str] = []
        self.bytes = b""

    def write(self, frames: Sequence[Frame]) -> None:
        self.got += [f"{one.name} {one.id}" for one in frames if one.block]
        self.bytes += b"".join(one.block for one in frames)

    def write_control(self, event: ControlEvent) -> None:
        self.got.append(event.name)

    def finish(self, reason: CloseReason) -> None:
        self.got.append(f"end {reason}")

    def abort(self) -> None:
        self.got.append("aborted")


class HandJournal:
    """Hears of connections, and writes down whose are to be forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def opened(self, connection: Connection) -> None:
        """Nothing is kept."""

    closed = opened

    def erased(self, recipient_id: str) -> None:
        self.forgotten.append(recipient_id)


class Gateway:
    """The way out of one process. No broker tells it anything."""

    def __init__(self, directory: Path, store: Store) -> None:
        settings = read_settings({"HOME": str(directory)})
        outage = Outage("the store")
        self.out = WayOut(settings, store, None, metrics(), store_outage=outage, revoked=Revoked(known=True))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with running(self.out.relay.run(max_events=1000, max_bytes=10**6), self.out.pump.run()):
            await self.out.relay.when_filled()
            yield

    def opens(self, recipient: str, *, after: int | None = None) -> Client:
        """A stream of `recipient`, from now on or after an id."""
        tail, client = self.out.tail, Client()
        cursor = Cursor(tail.epoch, after) if after is not None else tail.cursor
        stream = Stream((f"recipient:{recipient}", "topic:all"), cursor, generation=tail.generation)
        connection = Connection(stream, client, connection_id=recipient, recipient_id=recipient)
        self.out.registry.open(connection)
        return client

    def holds(self, text: str) -> bool:
        """Whether any of its memory of the log has this text."""
        tail = self.out.tail
        frames, _ = tail.after(tail.start, [ALICE, BOB], max_events=1000, max_bytes=10**6)
        return any(text.encode() in one.block for one in frames)


class Pair:
    """Two gateways on one log. Recalls and erasures are done in the first, and announced to it alone."""

    def __init__(self, directory: Path, store: Store, recalls: Recalls, gateways: tuple[Gateway, Gateway]) -> None:
        self.directory = directory
        self.store = store
        self.recalls = recalls
        self.here, self.there = gateways

    async def publish(self) -> None:
        """Ids 1 and 2 for alice with the canary, 3 for bob."""
        alices = [notification(name, text=CANARY) for name in ("a", "b")]
        await self.store.append([*alices, notification("a", recipient="bob", text="for bob")])
        await until(lambda: all(one.out.tail.position == 3 for one in (self.here, self.there)), what="both tails")


@pytest.fixture(autouse=True)
def _quick_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """The poll comes each 20 ms in place of each second."""
    monkeypatch.setattr(relay, "COMPARE_S", 0.02)
    monkeypatch.setattr(relay, "GRACE_S", 0.002)


@contextlib.asynccontextmanager
async def _pair(directory: Path) -> AsyncIterator[Pair]:
    url = f"sqlite:///{directory / 'log.db'}"
    store, erasure = open_store(url), open_erasure(url)
    await store.open()
    here, there = Gateway(directory, store), Gateway(directory, store)
    lost = Announcer(take_here=here.out.relay.take, tell_others=lambda _: None)
    try:
        async with here.running(), there.running():
            yield Pair(directory, store, Recalls(erasure, announce=lost.announce), (here, there))
    finally:
        await erasure.close()
        await store.close()


async def test_a_recall_reaches_the_gateway_that_hears_nothing(tmp_path: Path) -> None:
    """Its streams are told in order, and nothing of the content is left in its memory or in a replay from it."""
    async with _pair(tmp_path) as pair:
        clients = [gateway.opens("alice") for gateway in (pair.here, pair.there)]
        await pair.publish()
        assert pair.there.holds(CANARY)
        for name in ("a", "b"):
            assert await pair.recalls.recall(ALICE, name)
        await until(lambda: not pair.there.holds(CANARY), what="the other gateway to let the content go")
        assert not pair.here.holds(CANARY)
        told = ["connected", "message 1", "message 2", "recalled 4", "recalled 5"]
        await until(lambda: [client.got for client in clients] == [told, told], what="both streams to be told")
        later = pair.there.opens("alice", after=0)
        await until(lambda: later.got == ["connected", "recalled 4", "recalled 5"], what="a replay without content")
        assert CANARY.encode() not in later.bytes
        others = pair.there.opens("bob", after=0)
        await until(lambda: others.got == ["connected", "message 3"], what="bob's, who has an `a` too")


async def test_an_erasure_reaches_the_gateway_that_hears_nothing(tmp_path: Path) -> None:
    """Its streams of that recipient end as revoked, and its memory has nothing of them; its journal is told to forget
    them. Everybody else goes on.
    """
    async with _pair(tmp_path) as pair:
        journal = pair.there.out.registry.journal = HandJournal()
        alice, bob = pair.there.opens("alice"), pair.there.opens("bob")
        await pair.publish()
        erased = await pair.recalls.erase("alice")
        assert erased.count == 2
        await until(lambda: alice.got[-1] == "end revoked", what="the stream's end in the other gateway")
        assert alice.got == ["connected", "message 1", "message 2", "closing", "end revoked"]
        assert journal.forgotten == ["alice"]
        assert not pair.there.holds(CANARY)
        assert not pair.here.holds(CANARY)
        await pair.store.append([notification("c", text="new"), notification("d", recipient="bob")])
        await until(lambda: bob.got == ["connected", "message 3", "message 6"], what="bob's stream to go on")
        later = pair.there.opens("alice", after=0)
        await until(lambda: later.got == ["connected", "message 5"], what="what is published after it")
        assert CANARY.encode() not in later.bytes


async def test_a_gateway_that_starts_later_never_has_the_content(tmp_path: Path) -> None:
    """It fills its tail from the log, where tombstones are."""
    async with _pair(tmp_path) as pair:
        await pair.publish()
        await pair.recalls.recall(ALICE, "a")
        await pair.recalls.erase("alice")
        later = Gateway(pair.directory, pair.store)
        async with later.running():
            assert later.out.tail.position == pair.here.out.tail.position
            assert not later.holds(CANARY)
            assert later.holds("for bob")
            client = later.opens("alice", after=0)
            await until(lambda: client.got == ["connected"], what="a replay")
            assert client.bytes == b""
