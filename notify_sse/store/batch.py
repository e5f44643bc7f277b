"""What both stores decide alike about a batch: how it is stored, what of it is looked up, what became of each. Pure.

Channels and notification_ids are any text, with NUL, which Postgres does not take as text: they are stored as UTF-8.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from notify_sse.core.model import Notification
from notify_sse.core.ports import Appended, Stored
from notify_sse.errors import StoreRefused

Identity = tuple[str, str]
"""What no two events of the log have in common: channel and notification_id."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the log has a notification, and the digest of the content that it has there."""

    id: int
    digest: bytes


def stored_text(text: str) -> bytes:
    """`text` as it is stored; `StoreRefused` when it cannot be (lone surrogates)."""
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise StoreRefused("a text is not Unicode: it has lone surrogates") from exc


def sought_text(text: str) -> bytes:
    """`text` as it is looked for; what cannot be stored is looked for in vain."""
    return text.encode("utf-8", "surrogatepass")


def identity(notification: Notification) -> Identity:
    """The same for a notification and its repetition: a notification_id counts within its channel."""
    return (notification.channel, notification.notification_id)


def firsts(batch: Sequence[Notification]) -> list[Notification]:
    """The first notification of each identity, in the batch's order: what there is to append."""
    first: dict[Identity, Notification] = {}
    for notification in batch:
        first.setdefault(identity(notification), notification)
    return list(first.values())


def outcome(batch: Sequence[Notification], *, epoch: str, position: int, seen: Mapping[Identity, Place]) -> Appended:
    """The outcome of `batch`, whose first ones that are not in `seen` went to the log after `position`."""
    places = dict(seen)
    stored = []
    for notification in batch:
        place = places.get(identity(notification))
        if place is None:
            position += 1
            places[identity(notification)] = Place(position, notification.digest)
            stored.append(Stored("new", position))
        else:
            # What was erased has no digest: nobody can tell any more which content it had.
            same = place.digest in (notification.digest, b"")
            known: Literal["duplicate", "conflict"] = "duplicate" if same else "conflict"
            stored.append(Stored(known, place.id))
    return Appended(epoch, tuple(stored))
