"""From the queue to the log: everything is acked once it is safe, and not before; nothing waits for what is refused."""

import asyncio
import gzip
import json
from collections import Counter
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec
import pytest

from notify_sse.core.model import Announcement
from notify_sse.core.ports import Delivery
from notify_sse.errors import Overloaded, StoreUnavailable
from notify_sse.log import ingest as module
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.outage import Outage
from tests.simulation.database import POISON
from tests.support.doubles import HandBroker, HandStore, delivery, document, metrics, running
from tests.support.polling import until
from tests.support.turns import turns


class Bench:
    """An ingest on a store and a broker in hand."""

    def __init__(self, *, batch: int = 50, strict_numbers: bool = False) -> None:
        self.store = HandStore()
        self.broker = HandBroker()
        self.tally: Counter[str] = Counter()
        self.heard: list[Announcement] = []
        self.appender = Appender(
            self.store.port, metrics(self.tally), outage=Outage("the store"), on_committed=self.heard.append
        )
        self.ingest = Ingest(
            self.broker.port,
            self.appender,
            Recalls(self.store.erasure, announce=self.heard.append),
            metrics(self.tally),
            batch=batch,
            max_bytes=16_384,
            strict_numbers=strict_numbers,
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return running(self.appender.run(), self.ingest.run())

    def deliver(self, *deliveries: Delivery | str) -> None:
        for one in deliveries:
            self.ingest.deliver(delivery(one) if isinstance(one, str) else one)

    @property
    def stored(self) -> list[str]:
        return self.store.database.names


POISONS = [
    (delivery("bad", b"{"), "malformed"),
    (delivery("bad", b"x" * 20_000), "too_large"),
    (delivery("bad", b"[" * 9000), "too_deep"),
    (delivery("bad", b'{"notification_type": "note"}'), "missing_field"),
    (delivery("bad", document("bad")[:-1] + b', "colour": 1}'), "unknown_field"),
    (delivery("bad", document("bad", recipient="")), "invalid_field"),
    (delivery("bad", content_type="application/xml"), "unsupported_content_type"),
    (msgspec.structs.replace(delivery("bad"), content_encoding="br"), "unsupported_content_encoding"),
    (delivery("bad", key="recipient.bob.note"), "key_mismatch"),
    (delivery("bad", document("first", text="changed")), "conflict"),
    (delivery("bad", document("bad", kind=POISON), key=f"recipient.alice.{POISON}"), "store_refused"),
]


@pytest.mark.parametrize(
    "sent",
    [
        delivery("first", content_type="application/json; charset=utf-8"),
        delivery("first", content_type="Application/JSON"),
        delivery("first", content_type="text/plain"),
        delivery("first", content_type="application/octet-stream"),
        delivery("first", content_type=""),
        msgspec.structs.replace(delivery("first"), content_encoding="UTF-8"),
        delivery("first", b"\xef\xbb\xbf" + document("first")),
        delivery("first", document("first")[:-1] + b',"topic":null,"expires_at":null,"timestamp":null}'),
        msgspec.structs.replace(delivery("first", gzip.compress(document("first"))), content_encoding="gzip"),
    ],
    ids=["charset", "case", "text", "octets", "untyped", "utf-8", "mark", "nulls", "gzip"],
)
async def test_a_message_is_taken_as_common_libraries_send_it(sent: Delivery) -> None:
    """And is the same notification as any other: in another form, it is a duplicate and no conflict."""
    bench = Bench()
    async with bench.running():
        bench.deliver(sent, "first", "next")
        await until(lambda: len(bench.broker.acked) == 3)
    assert bench.broker.dead == []
    assert bench.stored == ["first", "next"]


@pytest.mark.parametrize(("poison", "reason"), POISONS, ids=[reason for _, reason in POISONS])
@pytest.mark.parametrize("batch", [1, 50])
async def test_a_refused_message_holds_up_nobody(poison: Delivery, reason: str, batch: int) -> None:
    """Whatever is wrong with it: dead-lettered with its reason, then acked; those around it are stored and acked."""
    bench = Bench(batch=batch)
    async with bench.running():
        bench.deliver("first", "a", poison, "b", "c")
        await until(lambda: len(bench.broker.acked) == 5)
    assert bench.broker.dead == [("bad", reason)]
    assert bench.stored == ["first", "a", "b", "c"]
    assert sorted(bench.broker.acked) == ["a", "b", "bad", "c", "first"]
    assert bench.tally[f"refused {reason}"] == 1


@pytest.mark.parametrize(
    "key", ["", "recipient.alice", "recipient.alice.other", "recipient.ALICE.note", "topic.alice.note"]
)
async def test_a_key_that_disagrees_with_the_body_is_refused(key: str) -> None:
    """Another service's binding would otherwise get what is not addressed so."""
    bench = Bench()
    async with bench.running():
        bench.deliver(Delivery(document("x"), key, "application/json", None, redelivered=False, tag="x"))
        await until(lambda: bench.broker.acked)
    assert bench.broker.dead == [("x", "key_mismatch")]
    assert bench.stored == []


async def test_an_ack_comes_only_after_commit_and_announcement() -> None:
    bench = Bench()
    bench.broker.on_ack = lambda name: (
        None if name in bench.stored and bench.heard else pytest.fail("acked before it was safe")
    )
    bench.store.gate.clear()
    async with bench.running():
        bench.deliver("a", "b")
        await until(lambda: bench.store.batches)
        assert bench.broker.acked == []
        bench.store.gate.set()
        await until(lambda: bench.broker.acked == ["a", "b"])


async def test_nothing_is_acked_while_the_store_is_away() -> None:
    """A crash now costs a redelivery, not a notification."""
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")] * 2
    async with bench.running():
        bench.deliver("a")
        await until(lambda: len(bench.store.batches) == 2)
        assert bench.broker.acked == []
        await until(lambda: bench.broker.acked == ["a"])


async def test_a_redelivery_is_acked_and_stored_once() -> None:
    bench = Bench()
    async with bench.running():
        bench.deliver("a", "b", "a")
        await until(lambda: len(bench.broker.acked) == 3)
    assert bench.stored == ["a", "b"]
    assert bench.broker.dead == []


async def test_deliveries_are_stored_in_queue_order() -> None:
    bench = Bench(batch=3)
    names = [f"n{number:03}" for number in range(100)]
    async with bench.running():
        bench.deliver(*names)
        await until(lambda: len(bench.broker.acked) == 100)
    assert bench.stored == names


async def test_what_is_not_safe_in_the_dead_letters_is_tried_again_and_not_acked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Left unacked for good it would take a place of the prefetch, until nothing is delivered any more."""
    monkeypatch.setattr(module, "DEAD_LETTER_RETRY_S", 0.01)
    bench = Bench()
    bench.broker.failures = 3
    bench.broker.on_ack = lambda name: None if name != "bad" or bench.broker.dead else pytest.fail("acked unsafe")
    async with bench.running():
        bench.deliver(delivery("bad", b"{"), "a")
        await until(lambda: len(bench.broker.acked) == 2)
    assert bench.broker.dead == [("bad", "malformed")]
    assert bench.tally["dead letter failed"] == 3


async def test_nothing_waits_while_the_broker_takes_no_publishes() -> None:
    """An alarm at the broker blocks the dead letters for minutes; what is good is stored and acked meanwhile."""
    bench = Bench()
    bench.broker.gate.clear()
    async with bench.running():
        bench.deliver(delivery("bad", b"{"), "a")
        await until(lambda: bench.broker.acked == ["a"])
        bench.deliver("b")
        await until(lambda: bench.broker.acked == ["a", "b"])
        finished = asyncio.ensure_future(bench.ingest.finish())
        await asyncio.sleep(0.01)
        assert not finished.done()
        bench.broker.gate.set()
        await finished
    assert bench.broker.acked == ["a", "b", "bad"]


async def test_lost_acks_do_not_stop_it() -> None:
    """The broker redelivers, and the log knows them."""
    bench = Bench()
    bench.broker.acks_fail = True
    async with bench.running():
        bench.deliver("a")
        await until(lambda: bench.stored == ["a"])
        await bench.ingest.finish()
        bench.broker.acks_fail = False
        bench.deliver("a", "b")
        await until(lambda: bench.broker.acked == ["a", "b"])
    assert bench.stored == ["a", "b"]


async def test_it_waits_when_too_many_wait_already(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    sound = bench.appender.append
    refusals = [Overloaded("full", retry_after_s=0.01)] * 2

    async def crowded(notifications: object, **way: str) -> object:
        if refusals:
            raise refusals.pop()
        return await sound(notifications, **way)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.appender, "append", crowded)
    async with bench.running():
        bench.deliver("a")
        await until(lambda: bench.broker.acked == ["a"])
    assert bench.stored == ["a"]


async def test_finish_returns_once_everything_delivered_is_acked() -> None:
    bench = Bench()
    bench.store.gate.clear()
    async with bench.running():
        await bench.ingest.finish()
        bench.deliver("a", "b")
        finished = asyncio.ensure_future(bench.ingest.finish())
        await until(lambda: bench.store.batches)
        assert not finished.done()
        bench.store.gate.set()
        await finished
        assert bench.broker.acked == ["a", "b"]


def _more_than(found: list[Any], count: int) -> bool:
    return len(found) > count


def _nameless(tag: str) -> Delivery:
    body = b'{"recipient_id": "alice", "notification_type": "note", "payload": {"text": "%s"}}' % tag.encode()
    return Delivery(body, "recipient.alice.note", "application/json", None, redelivered=False, tag=tag)


@pytest.mark.parametrize("moment", ["waiting in ingest", "waiting for the store to come back"])
async def test_what_the_queue_has_back_is_not_stored(moment: str) -> None:
    """It comes again, and a message without an id would be stored as often as it came."""
    bench = Bench(batch=3)
    names = [f"n{number}" for number in range(10)]
    bench.store.failures = [StoreUnavailable("away")] * 3
    async with bench.running():
        for again in range(3):
            bench.deliver(*(_nameless(f"{name}") for name in names))
            if moment == "waiting for the store to come back":
                await until(partial(_more_than, bench.store.batches, again))
            bench.ingest.returned()
        await bench.ingest.finish()
        assert bench.stored == []
        bench.deliver(*map(_nameless, names))
        await until(lambda: len(bench.broker.acked) == 10)
    assert len(bench.store.database.rows) == 10
    assert bench.broker.acked == names


async def test_a_commit_under_way_goes_on_and_what_comes_again_is_stored_after_it() -> None:
    """Nobody can know whether it succeeds. Only what was in it may be twice in the log, and its acks are not sent."""
    bench = Bench(batch=2)
    bench.store.gate.clear()
    async with bench.running():
        bench.deliver(*map(_nameless, "abcd"))
        await until(lambda: bench.store.batches)
        bench.ingest.returned()
        bench.deliver(*map(_nameless, "abcd"))
        bench.store.gate.set()
        await until(lambda: len(bench.broker.acked) == 4)
    texts = [msgspec.json.decode(row.body)["payload"]["text"] for row in bench.store.database.rows]
    assert texts == ["a", "b", "a", "b", "c", "d"]
    assert bench.broker.acked == list("abcd")


async def test_a_refused_message_that_the_queue_has_back_is_not_dead_lettered() -> None:
    """It comes again: its place in the dead letters is for that delivery."""
    bench = Bench()
    bench.broker.gate.clear()
    async with bench.running():
        for _ in range(5):
            bench.deliver(delivery("bad", b"{"), "a")
            await until(lambda: "a" in bench.broker.acked)
            bench.ingest.returned()
            bench.broker.acked.clear()
        bench.deliver(delivery("bad", b"{"))
        bench.broker.gate.set()
        await until(lambda: bench.broker.acked)
    assert bench.broker.dead == [("bad", "malformed")]


async def test_a_message_that_was_never_read_counts_as_refused(caplog: pytest.LogCaptureFixture) -> None:
    """The broker moved it to the dead letters, since there was no room for it."""
    bench = Bench()
    bench.ingest.oversized(8_388_608)
    assert bench.tally["refused too_large"] == 1
    assert [vars(record)["body_bytes"] for record in caplog.records] == [8_388_608]


async def test_a_message_without_an_id_gets_one() -> None:
    """Its message_id when it has one, else a random one."""
    body = b'{"recipient_id": "alice", "notification_type": "note", "payload": {}}'
    bench = Bench()
    async with bench.running():
        for message_id in ("mine", None):
            bench.deliver(
                Delivery(body, "recipient.alice.note", "application/json", message_id, redelivered=False, tag="x")
            )
        await until(lambda: len(bench.broker.acked) == 2)
    assert bench.stored[0] == "mine"
    assert len(bench.stored[1]) == 36


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (1_700_000_000, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (0, ""),
        (10**15, ""),
        (2**64 - 1, ""),
    ],
)
async def test_the_time_of_a_message_is_when_it_was_sent(timestamp: int, expected: str) -> None:
    """By its property, where the body names none and the property is a time. A redelivery is the same notification."""
    sent = msgspec.structs.replace(delivery("first"), timestamp=timestamp)
    named = msgspec.structs.replace(
        delivery("second", document("second")[:-1] + b',"timestamp":"2020-01-01T00:00:00Z"}'), timestamp=timestamp
    )
    bench = Bench()
    async with bench.running():
        bench.deliver(sent, named, msgspec.structs.replace(sent, timestamp=timestamp, redelivered=True))
        await until(lambda: len(bench.broker.acked) == 3)
    first, second = (json.loads(event.body)["timestamp"] for one in bench.heard for event in one.events)
    assert second == "2020-01-01T00:00:00Z"
    assert first == expected or (not expected and first > "2026")


async def test_integers_that_javascript_cannot_hold_are_counted_or_refused() -> None:
    body = document("first").replace(b'"payload":{', b'"payload":{"n":9007199254740993,')
    assert b"9007199254740993" in body
    bench = Bench()
    async with bench.running():
        bench.deliver(delivery("first", body))
        await until(lambda: len(bench.broker.acked) == 1)
    assert bench.tally["unsafe numbers amqp"] == 1
    strict = Bench(strict_numbers=True)
    async with strict.running():
        strict.deliver(delivery("first", body))
        await until(lambda: len(strict.broker.acked) == 1)
    assert strict.tally["refused invalid_field"] == 1
    assert not strict.stored


async def test_a_dead_letter_that_fails_in_an_unknown_way_stays_unacked_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And holds up nothing else."""
    bench = Bench()

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("nobody knows")

    monkeypatch.setattr(bench.broker, "dead_letter", broken)
    async with bench.running():
        bench.deliver(delivery("bad", b"{"), "a")
        await until(lambda: bench.broker.acked == ["a"])
        await until(lambda: bench.tally["dead letter failed"] == 1)
    assert bench.broker.acked == ["a"]


async def test_its_end_leaves_no_dead_letter_under_way() -> None:
    """The broker redelivers it."""
    bench = Bench()
    bench.broker.gate.clear()
    async with bench.running():
        bench.deliver(delivery("bad", b"{"), "a")
        await until(lambda: bench.broker.acked == ["a"])
    assert bench.broker.dead == []


async def test_others_have_their_turn_while_a_batch_is_checked() -> None:
    """What a message costs goes with what is in it: 8,000 numbers take as long as 100 plain messages."""
    bench = Bench(batch=200)
    dear = [delivery(f"dear-{n}", _dear(f"dear-{n}")) for n in range(200)]
    async with bench.running(), turns() as longest:
        bench.deliver(*dear)
        await until(lambda: len(bench.broker.acked) == 200)
    assert max(longest) < 0.1 < sum(longest)


def _dear(name: str) -> bytes:
    fields = msgspec.json.decode(document(name))
    return msgspec.json.encode(fields | {"payload": {"a": [0] * 8000}})


def _recall(name: str, *, key: str = "recipient.alice.note", **fields: object) -> Delivery:
    body = {"recall": True, "notification_id": name, "recipient_id": "alice", **fields}
    return delivery(f"recall-{name}", msgspec.json.encode(body), key=key)


async def test_a_recall_takes_its_place_in_the_queue() -> None:
    """What came before it in the same batch is in the log first; what comes after it stays a duplicate."""
    bench = Bench()
    async with bench.running():
        bench.deliver("a", "b", _recall("a"), _recall("a"), "a", "c")
        await until(lambda: len(bench.broker.acked) == 6)
    assert [(row.type, row.erases) for row in bench.store.database.rows] == [
        ("!gone", 0),
        ("note", 0),
        ("!recalled", 1),
        ("note", 0),
    ]
    assert not bench.broker.dead
    assert [event.type for heard in bench.heard for event in heard.events] == ["note", "note", "!recalled", "note"]


async def test_a_recall_of_what_is_not_there_is_a_dead_letter() -> None:
    """Its reason says so. A recall needs no type, and then the key may have any; one that is given is the key's."""
    bench = Bench()
    async with bench.running():
        bench.deliver(
            "a",
            _recall("b"),
            _recall("a", key="recipient.alice.other.type"),
            _recall("c", key="recipient.bob.note"),
            _recall("d", notification_type="note", key="recipient.alice.other"),
            _recall("e", colour="red"),
            _recall("f", recall="yes"),
        )
        await until(lambda: len(bench.broker.acked) == 7)
    assert bench.broker.dead == [
        ("recall-c", "key_mismatch"),
        ("recall-d", "key_mismatch"),
        ("recall-e", "unknown_field"),
        ("recall-f", "invalid_field"),
        ("recall-b", "not_found"),
    ]
    assert bench.store.database.rows[0].type == "!gone"


async def test_a_recall_waits_for_the_store() -> None:
    """It is not acked before it is committed."""
    bench = Bench()
    async with bench.running():
        bench.deliver("a")
        await until(lambda: bench.broker.acked == ["a"])
        bench.store.failures += [StoreUnavailable("away")] * 2
        bench.deliver(_recall("a"))
        await until(lambda: "recall-a" in bench.broker.acked)
    assert bench.store.calls["recall"] == 3


async def test_a_batch_that_waits_for_nothing_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it refused, by a broker that takes acks without a wait: the next batch is taken all the same."""
    bench = Bench(batch=1)
    ack = bench.broker.ack

    async def at_once(deliveries: list[Delivery]) -> None:
        if deliveries:
            await ack(deliveries)

    monkeypatch.setattr(bench.broker, "ack", at_once)
    async with bench.running():
        bench.deliver(delivery("bad", b"{"), "good")
        await until(lambda: len(bench.broker.acked) == 2)
        await bench.ingest.finish()
    assert bench.stored == ["good"]
