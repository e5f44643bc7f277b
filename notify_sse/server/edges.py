"""What a process reaches outside with, as its settings say: its broker, and where its traces go."""

import os
from typing import TYPE_CHECKING

from notify_sse.broker import open_broker
from notify_sse.config import Settings
from notify_sse.core.ports import Broker
from notify_sse.telemetry.tracing import open_tracing

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.tracing import Tracing


def broker_of(settings: Settings) -> Broker:
    """The broker that the settings name; connected to nothing yet."""
    return open_broker(
        settings.broker_url,
        prefix=settings.amqp_prefix,
        held_bytes=settings.ingest_max_bytes,
        message_bytes=settings.max_notification_bytes,
        publish_timeout_s=settings.publish_timeout_s,
    )


def tracing_of(settings: Settings) -> "Tracing | None":
    """What makes spans, or None when the OTEL_ variables do not ask for them. Raises `BadConfiguration`."""
    return open_tracing(
        os.environ,
        role=settings.role,
        system="memory" if settings.embedded_broker else "rabbitmq",
        queue=f"{settings.amqp_prefix}.ingest",
    )
