"""The nouns: a notification, the event that it becomes in the log, the announcement of a batch.

First in the flow: every other module speaks of these. Plain frozen values; no I/O, no clock.
"""

from typing import Final

import msgspec

ANNOUNCEMENT_VERSION: Final = 1


class Notification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A publish that passed every check, ready to be appended. Made by `parse.parse` only.

    `body` is the JSON document as recipients get it. `digest` covers what the publisher gave (not what the
    service filled in), so that a retry compares equal. `expires_ms` is Unix time, 0 for never.
    """

    notification_id: str
    notification_type: str
    channel: str
    body: bytes
    digest: bytes
    expires_ms: int = 0


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A notification in the log: `id` is its place. Ids are contiguous, in commit order."""

    id: int
    channel: str
    type: str
    body: bytes
    expires_ms: int = 0


class Announcement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A committed batch: `events` are `first`, `first + 1`, … of the log of that `epoch`.

    With no events it is a hint that the log reaches at least `first - 1` (for a batch too large to send, or one
    whose ids are scattered): the relay then reads the log. With `revoked`, the id of a token, it says nothing of the
    log, but that the streams which were opened with that token are to end. Receivers ignore fields that they do not
    know, so a version N can be read by N-1.
    """

    epoch: str
    first: int
    events: tuple[Event, ...] = ()
    revoked: str = ""
    v: int = ANNOUNCEMENT_VERSION

    def encode(self) -> bytes:
        return _encode_announcement(self)


_encode_announcement = msgspec.msgpack.Encoder().encode
_decode_announcement = msgspec.msgpack.Decoder(Announcement).decode


def decode_announcement(body: bytes) -> Announcement | None:
    """The announcement in `body`, or None when it is not one that we can read.

    None is harmless: an announcement is only a fast path, and the log repairs what it does not deliver.
    """
    try:
        announcement = _decode_announcement(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    for place, event in enumerate(announcement.events, announcement.first):
        if event.id != place:
            return None
    return announcement
