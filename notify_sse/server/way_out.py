"""The way out of one process, put together: from the log to every open stream."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from notify_sse.auth.revoked import Revoked
from notify_sse.config import Settings
from notify_sse.core.frames import Frame
from notify_sse.core.hub import Hub
from notify_sse.core.ports import Store
from notify_sse.core.read_state import ReadState
from notify_sse.core.tail import Tail
from notify_sse.gateway.admission import Admission, Limits
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.continuity import Continuity
from notify_sse.gateway.delivery_times import DeliveryTimes
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.gateway.rollout import RolloutGate
from notify_sse.gateway.unread import UnreadCounts
from notify_sse.server.rollout import rollout_of
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.tracing import Tracing


class WayOut:
    """From the log to every open stream."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        read_state: ReadState | None,
        metrics: Metrics,
        *,
        store_outage: Outage,
        revoked: Revoked,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.tail = tail = Tail(max_events=settings.tail_max_events, max_bytes=settings.tail_max_bytes)
        hub: Hub[Connection] = Hub()
        spans = tracing.delivering(lambda: tail.position) if tracing else None
        self._unread = unread = UnreadCounts(read_state, tail) if read_state else None
        self.pump = Pump(
            store,
            tail,
            metrics,
            heartbeat_s=settings.heartbeat_s,
            stall_s=settings.stall_s,
            max_replays=settings.max_replays,
            retry_ms=settings.retry_ms,
            unread=unread,
            delivery_times=DeliveryTimes(metrics, spans),
        )
        self.pump.replays.bound_pages(largest_bytes=settings.max_notification_bytes)
        level = logging.INFO if settings.log_streams == "info" else logging.DEBUG
        self.registry = Registry(self.pump, hub, metrics, log_level=level, revoked=revoked)
        self.relay = Relay(
            store,
            tail,
            hub,
            metrics,
            outage=store_outage,
            drive=self.pump.drive,
            on_extended=self._extended,
            spans=spans,
            continuity=Continuity(store, tail),
        )
        limits = Limits(
            max_streams=settings.max_streams,
            max_streams_per_recipient=settings.max_streams_per_recipient,
            serves=settings.role != "ingest",
        )
        self.admission = Admission(tail, self.relay, self.registry, metrics, limits=limits)
        self.rollout = RolloutGate(self.registry, rollout_of(settings))

    def _extended(self, before: int, frames: Sequence[Frame]) -> None:
        """The tail has taken `frames` in."""
        if self._unread:
            self._unread.follow(before, frames)
        self.registry.end_erased(frames)
