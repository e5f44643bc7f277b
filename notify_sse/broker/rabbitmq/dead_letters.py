"""The dead-letter queue on RabbitMQ: what refused messages carry, and how that is read.

A dead letter comes from us (refused at ingest, with `x-notify-*` headers) or from the broker (delivered too often).
"""

from datetime import UTC, datetime
from typing import Any, Final

from aiormq.abc import DeliveredMessage

from notify_sse.broker.rabbitmq import trace_headers
from notify_sse.core.ports import DeadLetter, Delivery, Message

REASON: Final = "x-notify-reason"
DETAIL: Final = "x-notify-detail"
ROUTING_KEY: Final = "x-notify-routing-key"
MESSAGE_ID: Final = "x-notify-message-id"
DIED_AT: Final = "x-notify-died-at"
TIMESTAMP: Final = "x-notify-timestamp"
REJECTED: Final = "rejected"
TOO_LARGE: Final = "too_large"
MAX_DETAIL_CHARS: Final = 500
MAX_SHORT_BYTES: Final = 255
MAX_LONG: Final = 2**63


def headers_of(delivery: Delivery, *, reason: str, detail: str) -> dict[str, Any]:
    """The headers of a refused message in the dead-letter queue."""
    headers: dict[str, Any] = {
        REASON: reason,
        DETAIL: detail[:MAX_DETAIL_CHARS],
        ROUTING_KEY: delivery.routing_key,
        DIED_AT: datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if delivery.message_id is not None:
        # A header, because the property is not enough: aiormq makes up a message_id where there is none.
        headers[MESSAGE_ID] = delivery.message_id
    if 0 < delivery.timestamp < MAX_LONG:
        # A header too: aiormq cannot read every value of the property.
        headers[TIMESTAMP] = delivery.timestamp
    return headers


def cut_to_short_string(text: str) -> str:
    """As much of `text` as fits into an AMQP short string. Text that was not UTF-8 has grown on the way in."""
    return text.encode()[:MAX_SHORT_BYTES].decode(errors="ignore")


def dead_letter_of(message: DeliveredMessage) -> DeadLetter:
    """A message of the dead-letter queue as a `DeadLetter`."""
    properties = message.header.properties
    headers: dict[str, Any] = dict(properties.headers or {})
    ours = REASON in headers
    return DeadLetter(
        body=message.body,
        routing_key=str(headers.get(ROUTING_KEY, message.routing_key or "")),
        content_type=properties.content_type or "",
        message_id=headers.get(MESSAGE_ID) if ours else properties.message_id,
        reason=str(headers[REASON]) if ours else _broker_reason(headers),
        detail=str(headers.get(DETAIL, "")) if ours else _broker_detail(_broker_reason(headers)),
        died_at=str(headers[DIED_AT]) if DIED_AT in headers else _broker_time(headers),
        content_encoding=properties.content_encoding or "",
        timestamp=_timestamp(headers.get(TIMESTAMP), properties.timestamp),
        trace=trace_headers.context_in(headers),
    )


def _timestamp(ours: object, sent: datetime | None) -> int:
    if isinstance(ours, int):
        return ours
    return int(sent.timestamp()) if sent else 0


def _deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    deaths = headers.get("x-death")
    return [death for death in deaths if isinstance(death, dict)] if isinstance(deaths, list) else []


def _broker_reason(headers: dict[str, Any]) -> str:
    reason = next((str(death["reason"]) for death in _deaths(headers) if "reason" in death), "delivery_limit")
    # The one thing that we have the broker reject: a body for which there was no room (consuming.IngestConsumer).
    return TOO_LARGE if reason == REJECTED else reason


def _broker_detail(reason: str) -> str:
    if reason == TOO_LARGE:
        return "its body is larger than a notification may be: moved by the broker, unread"
    return "the broker gave up delivering it"


def _broker_time(headers: dict[str, Any]) -> str:
    times = [death["time"] for death in _deaths(headers) if isinstance(death.get("time"), datetime)]
    return times[0].isoformat(timespec="milliseconds") if times else ""


def message_of(letter: DeadLetter) -> Message:
    """The message that a dead letter was."""
    return Message(
        body=letter.body,
        routing_key=letter.routing_key,
        message_id=letter.message_id or "",
        content_type=letter.content_type,
        content_encoding=letter.content_encoding,
        timestamp=letter.timestamp,
        trace=letter.trace,
    )
