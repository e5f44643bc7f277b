"""Traces, from a publisher to the delivery: a real service sends its spans to a real receiver of OTLP over HTTP."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.collector import Collector, Seen, collector
from tests.support.service import ServiceFactory, Stack

PAYLOAD = "payload-canary-7c21"
RECIPIENT = "recipient-canary-7c21"
PARENT = "00f067aa0ba902b7"
APPLICATION = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from notify_sse import Publisher

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)

async def main(broker_url, prefix, recipient, text):
    async with Publisher(broker_url, amqp_prefix=prefix) as publisher:
        with trace.get_tracer("shop").start_as_current_span("checkout"):
            await publisher.publish(recipient_id=recipient, notification_type="note", payload={"text": text})
        with trace.get_tracer("shop").start_as_current_span("import"):
            await publisher.publish_many(
                {"recipient_id": recipient, "notification_type": "note", "payload": {"text": text}} for _ in range(3)
            )

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def collecting() -> Iterator[Collector]:
    """One for all tests here: each looks at traces of its own."""
    with collector() as running:
        yield running


def _only(collecting: Collector, name: str, trace_id: str) -> Seen:
    (span,) = collecting.spans(name, trace_id=trace_id)
    return span


async def test_one_trace_from_the_publisher_to_the_delivery(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str, collecting: Collector
) -> None:
    """An application with its own OpenTelemetry uses `Publisher`; one process ingests, another delivers."""
    options: dict[str, Any] = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    traced = options | {"variables": collecting.variables}
    ingesting = await asyncio.to_thread(service, role="ingest", **traced)
    serving = await asyncio.to_thread(service, role="gateway", **traced)
    async with Api(serving) as api, api.stream(RECIPIENT) as stream:
        await stream.event("connected")
        command = [sys.executable, "-c", APPLICATION, broker_url, amqp_prefix, RECIPIENT, PAYLOAD]
        await asyncio.to_thread(subprocess.run, command, env=ingesting.env, check=True)
        messages = [await stream.event("message") for _ in range(4)]
    await asyncio.to_thread(collecting.wait, lambda seen: len(_names(seen, "checkout")) >= 7)
    checkout = collecting.spans("checkout")[-1]
    spans = {span.name: span for span in collecting.spans(trace_id=checkout.trace_id)}
    assert _names(collecting, "checkout") == sorted(spans), "no name twice"
    assert set(spans) == {"checkout", "publish", "ingest", "append", "commit", "announce", "deliver"}

    parents = {"publish": "checkout", "ingest": "publish", "append": "ingest", "deliver": "ingest"}
    parents |= {"commit": "append", "announce": "append"}
    assert {name: spans[name].parent_id for name in parents} == {
        name: spans[parent].span_id for name, parent in parents.items()
    }
    assert spans["publish"].start_ns <= spans["ingest"].start_ns <= spans["append"].start_ns
    assert spans["commit"].end_ns <= spans["announce"].end_ns <= spans["append"].end_ns
    assert spans["announce"].start_ns <= spans["deliver"].start_ns <= spans["deliver"].end_ns
    assert {spans[name].resource["notify_sse.role"] for name in ("ingest", "append", "announce")} == {"ingest"}
    assert spans["deliver"].resource["notify_sse.role"] == "gateway"
    assert spans["deliver"].resource["service.name"] == "notify-sse"
    assert spans["deliver"].attributes["notify_sse.deliveries"] == 1
    assert spans["append"].attributes["notify_sse.cursor"] == messages[0].id
    assert spans["ingest"].attributes["messaging.message.id"] == messages[0].json()["notification_id"]

    # Three that were published together: each is ingested by itself, under one publish.
    await asyncio.to_thread(collecting.wait, lambda seen: "deliver" in _names(seen, "import"))
    together = collecting.spans("import")[-1].trace_id
    assert _only(collecting, "publish", together).attributes["messaging.batch.message_count"] == 3
    assert len(collecting.spans("ingest", trace_id=together)) == 3

    # What clients get, and what is stored, knows nothing of it. Nor does a span know of what is published.
    assert [set(message.json()) for message in messages] == [
        {"notification_id", "notification_type", "recipient_id", "timestamp", "payload"}
    ] * 4
    sent = b"".join(collecting.raw)
    assert b"checkout" in sent
    assert [canary for canary in (PAYLOAD, RECIPIENT) if canary.encode() in sent] == []


def _names(collecting: Collector, root: str) -> list[str]:
    """The names of all spans in the newest trace that begins with a span of the name `root`."""
    roots = collecting.spans(root)
    return sorted(span.name for span in collecting.spans(trace_id=roots[-1].trace_id)) if roots else []


async def test_a_post_goes_on_with_the_trace_of_its_client(
    service: ServiceFactory, on_stack: Stack, collecting: Collector
) -> None:
    """`traceparent` in the request; the same spans but for ingest. On the embedded default, and on servers."""
    running = await asyncio.to_thread(service, **on_stack, variables=collecting.variables)
    trace_id = f"{len(on_stack):032x}".replace("0", "a")
    token = running.token("a-publisher", scope="notifications:publish")
    async with Api(running) as api, api.stream(RECIPIENT) as stream:
        await stream.event("connected")
        headers = {"traceparent": f"00-{trace_id}-{PARENT}-01", "tracestate": "shop=1"}
        document = notification(RECIPIENT, notification_id="order-1", payload={"text": PAYLOAD})
        answer = await api.post(document, headers=headers, token=token)
        assert answer.status_code == 201
        assert (await stream.event("message")).json()["payload"] == {"text": PAYLOAD}
        assert (await api.post(document, headers=headers, token=token)).status_code == 200
        refused = await api.post(notification(RECIPIENT, payload=PAYLOAD), headers=headers, token=token)
        assert refused.status_code == 400
        unknown = await api.post(document, headers=headers, token="nobody")
        assert unknown.status_code == 401
    await asyncio.to_thread(
        collecting.wait, lambda seen: len(seen.spans(trace_id=trace_id)) >= 9
    )  # 5 of the first, 3 of the second, 1 of the third
    posts = collecting.spans("POST /notifications", trace_id=trace_id)
    assert [post.attributes.get("http.response.status_code") for post in posts] == [201, 200, 400]
    assert not any(post.failed for post in posts), "a refusal is no fault of ours; and none for whoever has no token"
    assert posts[2].attributes["error.type"] == "bad_notification"
    assert {post.parent_id for post in posts} == {PARENT}
    appends = collecting.spans("append", trace_id=trace_id)
    assert [append.parent_id for append in appends] == [post.span_id for post in posts[:2]]
    assert [append.attributes["notify_sse.outcome"] for append in appends] == ["new", "duplicate"]
    deliver = _only(collecting, "deliver", trace_id)
    assert deliver.parent_id == posts[0].span_id
    assert deliver.events == ("first written",)
    assert _only(collecting, "announce", trace_id).links == ((trace_id, appends[0].span_id),)
    sent = b"".join(collecting.raw)
    assert [canary for canary in (PAYLOAD, RECIPIENT, token) if canary.encode() in sent] == []


async def test_a_batch_is_linked_to_all_its_notifications(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, collecting: Collector
) -> None:
    """Messages of many traces, of which several are committed together; and a refused one."""
    running = await asyncio.to_thread(
        service, broker_url=broker_url, amqp_prefix=amqp_prefix, variables=collecting.variables
    )
    traces = [f"{number:032x}" for number in range(0xB000, 0xB028)]
    await asyncio.to_thread(_publish_traced, broker_url, amqp_prefix, traces)
    await asyncio.to_thread(
        collecting.wait,
        lambda seen: all({span.name for span in seen.spans(trace_id=one)} >= {"ingest"} for one in traces),
    )
    *good, bad = traces
    (refused,) = collecting.spans(trace_id=bad)
    assert (refused.name, refused.failed, refused.attributes["error.type"]) == ("ingest", True, "invalid_field")
    appends = {one: _only(collecting, "append", one) for one in good}
    linked = [link for span in collecting.spans("commit") for link in span.links if link[0] in appends]
    assert sorted(linked) == sorted((one, append.span_id) for one, append in appends.items())
    with publisher(broker_url, amqp_prefix) as channel:
        (letter,) = channel.dead_letters()
    assert letter.headers["traceparent"] == f"00-{bad}-{PARENT}-01", "it comes back in the same trace"
    assert running.running


def _publish_traced(broker_url: str, prefix: str, traces: list[str]) -> None:
    with publisher(broker_url, prefix) as channel:
        for number, trace_id in enumerate(traces):
            headers = {"traceparent": f"00-{trace_id}-{PARENT}-01", "tracestate": "shop=1", "other": number}
            payload: Any = {} if number < len(traces) - 1 else "none"
            channel.publish(notification(f"r{number}", payload=payload), headers=headers)
