"""Whether spans are asked for, by the OTEL_ variables; and what is said when they cannot be made."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from notify_sse.cli import diagnosis
from notify_sse.config import read_settings
from notify_sse.core.ports import Finding
from notify_sse.errors import BadConfiguration
from notify_sse.telemetry.otel.exporting import WatchedExporter, provider_of
from notify_sse.telemetry.otel.requests import RequestSpans
from notify_sse.telemetry.tracing import (
    exporters_in,
    open_publish_spans,
    open_tracing,
    require_what_is_asked_for,
)
from tests.support.spans import Recorder, attributes, failed, id_of
from tests.support.tokens import SECRET

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
AT = "http://collector:4318"
WITHOUT = "import sys; sys.modules['opentelemetry'] = None; from notify_sse.cli import main; main()"


@pytest.mark.parametrize(
    ("environ", "exporters"),
    [
        ({}, ()),
        ({ENDPOINT: ""}, ()),
        ({ENDPOINT: AT}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": AT}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": AT}, ()),
        ({"OTEL_SERVICE_NAME": "push"}, ()),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": " OTLP , console,"}, ("otlp", "console")),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: AT}, ()),
        ({"OTEL_TRACES_EXPORTER": "console", ENDPOINT: AT}, ("console",)),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: AT}, ()),
        ({"OTEL_SDK_DISABLED": "false", ENDPOINT: AT}, ("otlp",)),
        ({ENDPOINT: AT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ("otlp",)),
        (
            {
                ENDPOINT: AT,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ("otlp",),
        ),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("console",)),
    ],
    ids=str,
)
def test_where_spans_go(environ: dict[str, str], exporters: tuple[str, ...]) -> None:
    """Nowhere, unless an endpoint or an exporter asks for it."""
    assert exporters_in(environ) == exporters
    require_what_is_asked_for(environ)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({ENDPOINT: AT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({ENDPOINT: AT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(environ: dict[str, str], name: str) -> None:
    with pytest.raises(BadConfiguration, match=f"^{name}: must be"):
        exporters_in(environ)


def test_the_refusal_of_the_sdk_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, as for any setting."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(BadConfiguration, match="max_queue_size"):
        open_tracing({"OTEL_TRACES_EXPORTER": "console"}, role="all", system="memory", queue="notifications.ingest")


def _refusal(*command: str, **variables: str) -> str:
    """The only line that a start says that is refused."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_SSE_", "OTEL_"))}
    ended = subprocess.run(
        [sys.executable, *command], env=env | variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == os.EX_CONFIG
    (line,) = ended.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", [["serve"], ["serve", "--check"]], ids=" ".join)
def test_without_the_extra_the_start_is_refused_with_one_line(command: list[str]) -> None:
    """It names the variable that asks for traces, and what to install."""
    line = _refusal("-c", WITHOUT, *command, **{ENDPOINT: AT})
    assert ENDPOINT in line
    assert "pip install 'notify-sse[otel]'" in line


def test_a_wrong_protocol_stops_the_start_with_one_line() -> None:
    line = _refusal("-m", "notify_sse", "serve", **{ENDPOINT: AT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf (usually port 4318), not 'grpc'" in line


def test_off_nothing_of_it_is_imported() -> None:
    """By a process of the service, whatever is installed."""
    program = (
        "import sys, notify_sse.server.process, notify_sse.web.api.publish; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf', 'requests'))])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_who_sends_spans_is_in_their_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the OTEL_ variables say goes before what we say."""
    provider = provider_of((), role="ingest")
    resource = dict(provider.resource.attributes)
    assert (resource["service.name"], resource["notify_sse.role"]) == ("notify-sse", "ingest")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "push")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=7,deployment.environment.name=test")
    resource = dict(provider_of((), role="all").resource.attributes)
    assert resource["service.name"] == "push"
    assert resource["service.version"] == "7"
    assert resource["deployment.environment.name"] == "test"


class _Away(SpanExporter):
    """Fails as the exporter of the SDK does: with a record each time."""

    def __init__(self) -> None:
        self.result = SpanExportResult.FAILURE
        self.flushed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.result is SpanExportResult.FAILURE:
            logging.getLogger(trace_exporter.__name__).error("Failed to export %d spans: refused", len(spans))
        return self.result

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.flushed = timeout_millis > 0
        return True


def test_a_collector_that_is_away_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """And once when it is back; the exporter's own records are left out."""
    away = _Away()
    watched = WatchedExporter(away)
    for _ in range(3):
        watched.export([])
    away.result = SpanExportResult.SUCCESS
    watched.export([])
    assert watched.force_flush()
    assert away.flushed
    watched.shutdown()
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "the collector of traces is away; trying again until it is back",
        "the collector of traces is back",
    ]
    assert vars(caplog.records[0])["error"] == "Failed to export 0 spans: refused"


def test_a_publisher_sends_what_its_application_has_under_way() -> None:
    """Its current span, and nothing without one: no SDK is set up here, only the API is there."""
    spans = open_publish_spans(exchange="notifications")
    assert spans is not None
    with spans.publishing(1) as trace:
        assert trace is None
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("checkout"), spans.publishing(1) as trace:
        assert trace is not None
    assert trace.traceparent.split("-")[2] == id_of(recorder.only("checkout"))


@pytest.mark.parametrize(
    ("status", "code", "fails"), [(201, "", False), (409, "conflict", False), (503, "store_unavailable", True)]
)
def test_only_a_fault_of_ours_fails_the_span_of_a_request(status: int, code: str, fails: bool) -> None:
    recorder = Recorder()
    with RequestSpans(recorder.tracer, head=recorder.head).publishing({}) as span:
        span.answered(status, code=code)
    made = recorder.only("POST /notifications")
    assert attributes(made)["http.response.status_code"] == status
    assert attributes(made).get("error.type", "") == code
    assert failed(made) == fails


async def test_doctor_says_what_a_start_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing where no traces are asked for."""
    settings = read_settings({}, jwt_secret=SECRET)
    monkeypatch.setattr(diagnosis, "CHECKS", (diagnosis._traces,))
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    assert [one async for one in diagnosis.findings(settings)] == []
    monkeypatch.setenv(ENDPOINT, AT)
    assert [one async for one in diagnosis.findings(settings)] == [Finding("traces", "ok", "are sent by otlp")]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    (finding,) = [one async for one in diagnosis.findings(settings)]
    assert (finding.check, finding.status) == ("traces", "error")
    assert finding.detail.startswith("OTEL_EXPORTER_OTLP_PROTOCOL: must be")
