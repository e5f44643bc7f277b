"""The spans of the way in: one for each stage and trace, whatever becomes of a message; nothing without a trace."""

from contextlib import AbstractAsyncContextManager

import msgspec
import pytest
from opentelemetry.trace import format_span_id

from notify_sse.core.model import Announcement, TraceContext, decode_live
from notify_sse.core.ports import Delivery
from notify_sse.errors import StoreUnavailable
from notify_sse.log import announce
from notify_sse.log.announce import Announcer
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.otel.appending import AppendSpans
from notify_sse.telemetry.otel.ingesting import IngestSpans
from notify_sse.telemetry.outage import Outage
from tests.simulation.database import POISON
from tests.support.doubles import HandBroker, HandStore, delivery, document, metrics, notification, running
from tests.support.polling import until
from tests.support.spans import PARENT, Recorder, attributes, failed, id_of, parent_of, sent, traces_of


class Bench:
    """An ingest and an appender whose spans are recorded, on a store and a broker in hand."""

    def __init__(self, *, root: float = 1.0, asks: bool = False) -> None:
        self.recorder = Recorder(root=root)
        self.store = HandStore()
        self.broker = HandBroker()
        self.heard: list[Announcement] = []
        self.appender = Appender(
            self.store.port,
            metrics(),
            outage=Outage("the store"),
            on_committed=self.heard.append,
            spans=AppendSpans(self.recorder.tracer),
        )
        self.ingest = Ingest(
            self.broker.port,
            self.appender,
            Recalls(self.store.erasure, announce=self.heard.append),
            metrics(),
            batch=50,
            max_bytes=16_384,
            spans=IngestSpans(
                self.recorder.tracer,
                system="rabbitmq",
                queue="notifications.ingest",
                head=self.recorder.asks if asks else self.recorder.head,
            ),
        )

    def running(self) -> AbstractAsyncContextManager[None]:
        return running(self.appender.run(), self.ingest.run())

    async def take(self, *deliveries: Delivery) -> None:
        """All of them, to their acks and the ends of their spans."""
        for one in deliveries:
            self.ingest.deliver(one)
        await until(lambda: len(self.broker.acked) == len(deliveries))
        await self.ingest.finish()


def traced(name: str, trace: TraceContext | None, body: bytes | None = None) -> Delivery:
    return msgspec.structs.replace(delivery(name, body), trace=trace)


async def test_each_trace_of_a_batch_has_its_own_stages() -> None:
    """Ingest and append for each; the transaction and its announcement once, linked to all."""
    bench = Bench()
    async with bench.running():
        await bench.take(*(traced(name, sent(number)) for number, name in enumerate("abc", 1)))
    recorder = bench.recorder
    ingests, appends = recorder.spans("ingest"), recorder.spans("append")
    assert traces_of(ingests) == traces_of(appends) == [1, 2, 3]
    assert {parent_of(span) for span in ingests} == {PARENT}
    assert [parent_of(span) for span in appends] == [id_of(span) for span in ingests]
    assert [attributes(span)["messaging.message.id"] for span in ingests] == ["a", "b", "c"]
    assert [attributes(span)["notify_sse.cursor"] for span in appends] == ["e0.1", "e0.2", "e0.3"]
    for name in ("commit", "announce"):
        of_batch = recorder.only(name)
        assert parent_of(of_batch) == id_of(appends[0])
        linked = [format_span_id(link.context.span_id) for link in of_batch.links]
        assert linked == [id_of(span) for span in appends]
    assert [len(span.links) for span in appends] == [0, 2, 2], "and back, but for the one above"
    (announced,) = bench.heard
    assert [(place, trace.traceparent[36:52]) for place, trace in announced.traces] == [
        (place, id_of(span)) for place, span in enumerate(ingests, 1)
    ]


@pytest.mark.parametrize("asks", [True, False])
async def test_what_is_not_sampled_costs_no_span_and_is_not_carried(asks: bool) -> None:
    """What the publisher decided holds, asked for or not; without a publisher's word, the sampler's."""
    bench = Bench(root=0.0, asks=asks)
    async with bench.running():
        await bench.take(traced("a", sent(1, sampled=False)), traced("b", None))
    assert bench.recorder.names == []
    assert [one.traces for one in bench.heard] == [()]


async def test_a_message_without_a_trace_begins_one() -> None:
    """So does one whose header makes no sense."""
    bench = Bench()
    async with bench.running():
        await bench.take(traced("a", None), traced("b", TraceContext("00-nonsense", "=,;" * 40)))
    ingests = bench.recorder.spans("ingest")
    assert [parent_of(span) for span in ingests] == ["", ""]
    assert traces_of(ingests) == traces_of(bench.recorder.spans("append"))
    assert len(set(traces_of(ingests))) == 2


async def test_a_refused_message_says_why_in_its_span() -> None:
    """What breaks the contract, what the database refuses, what is in the log with other content."""
    bench = Bench()
    poison = msgspec.structs.replace(
        traced("c", sent(3), document("c", kind=POISON)), routing_key=f"recipient.alice.{POISON}"
    )
    async with bench.running():
        await bench.take(
            traced("a", sent(1)),
            traced("b", sent(2), b"{"),
            poison,
            traced("d", sent(4), document("a", text="changed")),
        )
    spans = bench.recorder.spans("ingest")
    assert [(failed(span), attributes(span).get("error.type")) for span in spans] == [
        (False, None),
        (True, "malformed"),
        (True, "store_refused"),
        (True, "conflict"),
    ]
    outcomes = {attributes(span)["notify_sse.outcome"] for span in bench.recorder.spans("append")}
    assert outcomes == {"new", "refused", "conflict"}
    commits = bench.recorder.spans("commit")
    assert any(failed(span) for span in commits), "the batch was refused as a whole"
    assert all(span.status.description is None for span in commits), "what the database said may hold what was sent"


async def test_a_batch_that_is_tried_again_is_one_append() -> None:
    """Each try is a transaction of its own; what came meanwhile is appended with it."""
    bench = Bench()
    bench.store.failures = [StoreUnavailable("away")]
    async with bench.running():
        await bench.take(traced("a", sent(1)))
    assert [failed(span) for span in bench.recorder.spans("commit")] == [True, False]
    assert not failed(bench.recorder.only("append"))


async def test_what_is_given_back_ends_its_span() -> None:
    """It comes again, under a span of its own."""
    bench = Bench()
    bench.store.gate.clear()
    async with bench.running():
        again = msgspec.structs.replace(traced("a", sent(1)), redelivered=True)
        bench.ingest.deliver(again)
        await until(lambda: bench.store.batches)
        bench.ingest.returned()
        await until(lambda: bench.recorder.spans("ingest"))
        bench.store.gate.set()
    span = bench.recorder.only("ingest")
    assert [event.name for event in span.events] == ["given back"]
    assert attributes(span)["notify_sse.redelivered"] is True


async def test_a_recall_has_its_span_too() -> None:
    bench = Bench()
    recall = msgspec.json.encode({"recall": True, "recipient_id": "alice", "notification_id": "a"})
    async with bench.running():
        await bench.take(traced("a", sent(1)), traced("b", sent(2), recall))
    assert [attributes(span).get("notify_sse.recall") for span in bench.recorder.spans("ingest")] == [None, True]


async def test_an_array_in_one_trace_is_one_append() -> None:
    """Of a request, whatever the number of its notifications."""
    bench = Bench()
    batch = [msgspec.structs.replace(notification(f"n{number}"), trace=sent(1)) for number in range(20)]
    async with running(bench.appender.run()):
        await bench.appender.append(batch)
        await until(lambda: bench.recorder.spans("append"))
    assert bench.recorder.names == ["announce", "append", "commit"]
    assert len(bench.heard[0].traces) == 20


async def test_a_batch_that_is_too_large_to_announce_is_announced_with_its_traces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its events are read from the log, and delivered in the same traces."""
    monkeypatch.setattr(announce, "MAX_ANNOUNCED_BYTES", 1)
    bench, told = Bench(), list[bytes]()
    async with bench.running():
        await bench.take(traced("a", sent(1)))
    Announcer(take_here=None, tell_others=told.append).announce(bench.heard[0])
    hint = decode_live(told[0])
    assert isinstance(hint, Announcement)
    assert (hint.events, hint.traces) == ((), bench.heard[0].traces)


def test_an_earlier_version_understands_an_announcement_with_traces() -> None:
    """It passes over what it does not know."""

    class Before(msgspec.Struct):
        epoch: str
        first: int
        events: tuple[msgspec.Raw, ...] = ()
        v: int = 1

    body = Announcement("e0", 7, traces=((7, sent(1)),)).encode()
    assert msgspec.msgpack.decode(body, type=Before).first == 7
