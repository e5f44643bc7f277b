"""Tracing of one process: the spans of each stage, and the end of it."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from notify_sse.telemetry.otel.appending import AppendSpans
from notify_sse.telemetry.otel.delivering import DeliverySpans
from notify_sse.telemetry.otel.exporting import FLUSH_S, provider_of
from notify_sse.telemetry.otel.ingesting import IngestSpans
from notify_sse.telemetry.otel.requests import RequestSpans
from notify_sse.telemetry.otel.sampling import HeadSampler
from notify_sse.version import __version__


class Tracing:
    """Sends spans to `exporters`. `system` and `queue`: what kind of broker there is, and its ingest queue."""

    def __init__(self, exporters: Sequence[str], *, role: str, system: str, queue: str) -> None:
        self._provider = provider_of(exporters, role=role)
        self._tracer = tracer = self._provider.get_tracer("notify_sse", __version__)
        head = HeadSampler(self._provider.sampler, self._provider.id_generator)
        self.requests = RequestSpans(tracer, head=head)
        self.ingesting = IngestSpans(tracer, system=system, queue=queue, head=head)
        self.appending = AppendSpans(tracer)

    def delivering(self, position: Callable[[], int]) -> DeliverySpans:
        """The spans of deliveries out of the tail that reaches `position`."""
        return DeliverySpans(self._tracer, position=position)

    async def close(self) -> None:
        """Send what is left, for at most `FLUSH_S`."""
        flushing = threading.Thread(target=self._provider.shutdown, daemon=True, name="last-spans")
        flushing.start()
        await asyncio.to_thread(flushing.join, FLUSH_S)
