"""What both adapters of the read state make alike of what the database answers. Pure."""

from collections.abc import Collection

import msgspec

from notify_sse.core.channels import recipient_channel
from notify_sse.core.cursor import Cursor
from notify_sse.core.model import PASSED_OVER_MS, READ, Event
from notify_sse.core.read_state import Marked, Unread

to_json = msgspec.json.encode


def distinct(notification_ids: Collection[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(notification_ids))


def unread(epoch: str, position: int, upto: int, *, count: int, oldest: int | None, expiring_ms: int | None) -> Unread:
    """What is unread of the log of `epoch` up to `position`."""
    return Unread(count, Cursor(epoch, position), Cursor(epoch, upto), oldest or 0, expiring_ms or 0)


def marked(recipient_id: str, epoch: str, *, event_id: int | None, body: bytes | None, count: int, upto: int) -> Marked:
    """The outcome of a mark; `event_id` and `body` are of the event that it became, None when nothing changed."""
    event = None
    if event_id is not None:
        event = Event(event_id, recipient_channel(recipient_id), READ, body or b"", PASSED_OVER_MS, silent=True)
    return Marked(count, epoch, Cursor(epoch, upto), event)
