"""What both adapters of the erasure make alike of what the database answers. Pure."""

import msgspec

from notify_sse.core.channels import recipient_channel
from notify_sse.core.erasure import Erased, Recalled, StoredRow
from notify_sse.core.model import ERASED, OWN, PASSED_OVER_MS, RECALLED, Event


def recalled_body(notification_id: str) -> bytes:
    """The data of the event that tells of a recall."""
    return msgspec.json.encode({"notification_id": notification_id})


def recalled(channel: str, epoch: str, *, event_id: int | None, body: bytes, place: int) -> Recalled:
    """The outcome of a recall; `event_id` is None when it was recalled before."""
    event = None
    if event_id is not None:
        event = Event(event_id, channel, RECALLED, body, PASSED_OVER_MS, silent=True, erases=place)
    return Recalled(epoch, event)


def erased(recipient_id: str, epoch: str, *, event_id: int, count: int) -> Erased:
    """The outcome of an erasure."""
    channel = recipient_channel(recipient_id)
    event = Event(event_id, channel, ERASED, b"", PASSED_OVER_MS, silent=True, erases=event_id - 1)
    return Erased(epoch, event, count)


def stored_row(place: int, notification_id: bytes, kind: str, body: bytes, stored_ms: int) -> StoredRow:
    """A row as it is exported. What the service wrote has an id that is no text."""
    try:
        name = notification_id.decode()
    except UnicodeDecodeError:
        assert kind.startswith(OWN)
        name = None
    return StoredRow(place, name, kind, body, stored_ms)
