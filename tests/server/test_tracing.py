"""A whole process that sends its spans: however many streams there are, and whether or not somebody takes them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.server.in_process import running
from tests.support.api import Api, notification
from tests.support.collector import collector
from tests.support.polling import until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STREAMS = 200


async def test_a_broadcast_is_one_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of streams: the span has it."""
    with collector() as collecting:
        for name, value in collecting.variables.items():
            monkeypatch.setenv(name, value)
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(running(tmp_path))
            api = await stack.enter_async_context(Api(service))
            opened = [await stack.enter_async_context(api.stream(f"r{number}")) for number in range(STREAMS)]
            for stream in opened:
                await stream.event("connected")
            headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            assert (await api.post(notification(topic="all"), headers=headers)).status_code == 201
            for stream in opened:
                await stream.event("message")
            await asyncio.to_thread(collecting.wait, lambda seen: bool(seen.spans("deliver", trace_id=TRACE)))
        names = sorted(span.name for span in collecting.spans(trace_id=TRACE))
        assert names == ["POST /notifications", "announce", "append", "commit", "deliver"]
        (span,) = collecting.spans("deliver")
        assert span.attributes["notify_sse.deliveries"] == STREAMS
        assert span.resource["service.name"] == "notify-sse"


async def test_what_was_recorded_is_sent_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spans of the last moments, however seldom they are sent."""
    with collector() as collecting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        async with running(tmp_path) as service, Api(service) as api:
            await api.publish("alice")
            assert collecting.spans() == []
        assert [span.name for span in collecting.spans("append")] == ["append"]


async def test_a_collector_that_is_away_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    """Neither a publish nor the end of the process waits for it; it is told once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    told = "the collector of traces is away; trying again until it is back"
    async with running(tmp_path) as service, Api(service) as api:
        await api.publish("alice")
        await until(lambda: told in caplog.messages)
        for _ in range(20):
            await api.publish("alice")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 15
    assert caplog.messages.count(told) == 1
