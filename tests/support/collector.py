"""A collector of traces: takes OTLP over HTTP (`POST /v1/traces`, protobuf) in a thread, and shows the spans."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

WAIT_S = 20.0


class Seen(NamedTuple):
    """One span as it came, ids in hex. `links` are the pairs of trace and span that it is linked to."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start_ns: int
    end_ns: int
    failed: bool
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    resource: Mapping[str, Any]


class Collector:
    """Made by `collector`. `variables` lets a service send its spans here, soon after each has ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[bytes] = []
        self._spans: list[Seen] = []
        self._arrived = threading.Condition()

    @property
    def variables(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}

    def take(self, body: bytes) -> None:
        """One request's body."""
        with self._arrived:
            self.raw.append(body)
            self._spans += _spans(ExportTraceServiceRequest.FromString(body))
            self._arrived.notify_all()

    def spans(self, name: str | None = None, *, trace_id: str | None = None) -> list[Seen]:
        """What has come so far, in the order of the starts."""
        with self._arrived:
            found = [
                span
                for span in self._spans
                if (name is None or span.name == name) and (trace_id is None or span.trace_id == trace_id)
            ]
        return sorted(found, key=lambda span: span.start_ns)

    def wait(self, enough: Callable[["Collector"], bool]) -> None:
        """Block until `enough` of this; AssertionError after `WAIT_S`."""
        deadline = time.monotonic() + WAIT_S
        with self._arrived:
            while not enough(self):
                left = deadline - time.monotonic()
                assert left > 0, f"waited {WAIT_S:g} s in vain; there are {[span.name for span in self._spans]}"
                self._arrived.wait(left)


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if known:
                collecting.take(body)
            self.send_response(200 if known else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    collecting = Collector(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    try:
        yield collecting
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Seen]:
    for of_resource in request.resource_spans:
        resource = {one.key: _value(one.value) for one in of_resource.resource.attributes}
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield Seen(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    kind=span.kind,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    attributes={one.key: _value(one.value) for one in span.attributes},
                    events=tuple(event.name for event in span.events),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    resource=resource,
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
