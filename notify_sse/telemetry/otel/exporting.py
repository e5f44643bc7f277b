"""Where spans go: to a collector by OTLP over HTTP, as the OTEL_ variables say, or to stderr.

All of it runs in a thread of the SDK's. A collector that is away is told once, and costs what the SDK's queue holds.
"""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from notify_sse.telemetry.otel.sampling import TraceIds
from notify_sse.telemetry.outage import Outage
from notify_sse.version import __version__

SERVICE: Final = "notify-sse"
FLUSH_S: Final = 2.0
"""How long the end of a process waits for the last spans."""


def provider_of(exporters: Sequence[str], *, role: str) -> TracerProvider:
    """A provider that sends to `exporters` (`otlp`, `console`). Raises ValueError for wrong OTEL_ variables."""
    provider = TracerProvider(resource=_resource(role), shutdown_on_exit=False, id_generator=TraceIds())
    for name in exporters:
        exporter = WatchedExporter(OTLPSpanExporter()) if name == "otlp" else ConsoleSpanExporter(out=sys.stderr)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _resource(role: str) -> Resource:
    """Who sends them: what the OTEL_ variables say goes before what we say."""
    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: SERVICE}))
    ours: dict[str, str | int] = {
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}.{os.getpid()}",
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "notify_sse.role": role,
    }
    return Resource(ours).merge(found)


class WatchedExporter(SpanExporter):
    """Tells once when the collector is away, and once when it is back; the exporter would tell of each try."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._outage = Outage("the collector of traces")
        self._said = ""
        logging.getLogger(trace_exporter.__name__).addFilter(self._note)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._outage.back("export")
        else:
            self._outage.lost("export", self._said)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
        logging.getLogger(trace_exporter.__name__).removeFilter(self._note)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def _note(self, record: logging.LogRecord) -> bool:
        """Keep what the exporter says for our record, and let none of its own through."""
        self._said = record.getMessage()
        return False
