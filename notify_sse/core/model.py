"""The nouns: a notification, the event that it becomes in the log, and what processes tell each other.

First in the flow: every other module speaks of these. Plain frozen values; no I/O, no clock.
"""

from contextlib import suppress
from typing import Final

import msgspec

LIVE_VERSION: Final = 1
"""Of what processes tell each other over the live exchange. A receiver passes over fields that it does not know."""


OWN: Final = "!"
"""How the types of what the service itself writes to the log begin. No publisher can give such a type."""
READ: Final = "!read"
"""The recipient read something, here or on another device. Goes out as `event: read`."""
RECALLED: Final = "!recalled"
"""A notification was recalled: its body is gone. Goes out as `event: recalled`."""
ERASED: Final = "!erased"
"""Everything before it on its channel was erased. It goes to no client; each tail drops what it has."""
GONE: Final = "!gone"
"""A tombstone: the notification that stood here was recalled or erased. It goes to no client."""
PASSED_OVER_MS: Final = 1
"""`expires_ms` of all of these. A version that does not know them takes them for expired, and passes over them."""


MAX_TRACEPARENT_CHARS: Final = 128
"""Version 00 of the format has 55."""
MAX_TRACESTATE_CHARS: Final = 512
"""So much has to be passed on (W3C Trace Context, 3.3.1.5); what is longer is left out."""


class TraceContext(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where something stands in a trace, as the two headers of W3C Trace Context say it. Nobody here reads them but
    `telemetry/otel`.
    """

    traceparent: str
    tracestate: str = ""

    @classmethod
    def of(cls, traceparent: object, tracestate: object) -> "TraceContext | None":
        """What headers say, whatever they hold; None when that is no context."""
        if not isinstance(traceparent, str) or not 0 < len(traceparent) <= MAX_TRACEPARENT_CHARS:
            return None
        if not isinstance(tracestate, str) or len(tracestate) > MAX_TRACESTATE_CHARS:
            return cls(traceparent)
        return cls(traceparent, tracestate)


class Notification(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A publish that passed every check, ready to be appended. Made by `parse.parse` only.

    `body` is the JSON document as recipients get it. `digest` covers what the publisher gave (not what the
    service filled in), so that a retry compares equal. `expires_ms` is Unix time, 0 for never. `silent`: it does not
    count as unread. `has_unsafe_number`: its payload has an integer that JavaScript cannot hold. `trace`: the span
    under which it came in, when that is recorded; it is no part of what is stored.
    """

    notification_id: str
    notification_type: str
    channel: str
    body: bytes
    digest: bytes
    expires_ms: int = 0
    silent: bool = False
    has_unsafe_number: bool = False
    trace: TraceContext | None = None


class Recall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A notification is to be recalled. Made by `parse.parse_message` only. `notification_type`: "" when not given."""

    notification_id: str
    notification_type: str
    channel: str


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of the log: a notification, or what the service itself wrote there (a type that begins with `OWN`).

    `id` is its place. Ids rise in commit order, without gaps but where rows were deleted. `erases`: whoever holds the
    body of that id on the same channel drops it; with the type `ERASED`, of every id up to it.
    """

    id: int
    channel: str
    type: str
    body: bytes
    expires_ms: int = 0
    silent: bool = False
    erases: int = 0


class Announcement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A committed batch: `events` are `first`, `first + 1`, … of the log of that `epoch`.

    With no events it is a hint that the log reaches at least `first - 1` (for a batch too large to send, or one
    whose ids are scattered): the relay then reads the log. `committed_s`: when it was committed, as Unix time (0 from
    versions that did not tell). `traces`: the ids of those whose traces are recorded, each with its place there.
    """

    epoch: str
    first: int
    events: tuple[Event, ...] = ()
    v: int = LIVE_VERSION
    committed_s: float = 0.0
    traces: tuple[tuple[int, TraceContext], ...] = ()

    def encode(self) -> bytes:
        """As it travels over the live exchange."""
        return _encode(self)


class Revocation(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="revocation"):
    """The token `token_id` is good no more, and was to live until `until` (Unix seconds; 0 from a version before).
    Its streams are to end.
    """

    token_id: str
    until: float = 0.0
    v: int = LIVE_VERSION

    def encode(self) -> bytes:
        """As it travels over the live exchange."""
        return _encode(self)


REVOCATIONS_CHANGED: Final = "revocations_changed"
ENDING: Final = "ending"


class RevocationsChanged(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag=REVOCATIONS_CHANGED):
    """The revocations in the database changed: whoever hears it reads them now, and not only at the next poll."""

    v: int = LIVE_VERSION

    def encode(self) -> bytes:
        """As it travels over the live exchange."""
        return _encode(self)


class Ending(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag=ENDING):
    """An administrator ends this connection, in whichever process it is. Who does not hear it does nothing."""

    connection_id: str
    v: int = LIVE_VERSION

    def encode(self) -> bytes:
        """As it travels over the live exchange."""
        return _encode(self)


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A message of a `kind` that this version does not know, from a later one. It is for others."""

    kind: str


class _RevocationBefore(msgspec.Struct):
    """How a revocation travelled before it was a message of its own: in the place of a batch that began at id 0."""

    revoked: str


_encode = msgspec.msgpack.Encoder().encode
_decode_announcement = msgspec.msgpack.Decoder(Announcement).decode
_decode_revocation = msgspec.msgpack.Decoder(Revocation).decode
_decode_revocations_changed = msgspec.msgpack.Decoder(RevocationsChanged).decode
_decode_revocation_before = msgspec.msgpack.Decoder(_RevocationBefore).decode
_decode_ending = msgspec.msgpack.Decoder(Ending).decode
_decode_unknown = msgspec.msgpack.Decoder(Unknown).decode


def decode_live(body: bytes) -> Announcement | Revocation | RevocationsChanged | Ending | Unknown | None:
    """What was told over the live exchange, or None when it is nothing that we can read.

    None is harmless: what is told of the log is only a fast path, and the log repairs what it does not deliver.
    """
    # Announcements first: nearly every message is one, and they are the only large ones.
    try:
        announcement = _decode_announcement(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_other(body)
    if announcement.first < 1:  # ids begin at 1
        return _decode_other(body)
    for place, event in enumerate(announcement.events, announcement.first):
        if event.id != place:
            return None
    return announcement


def _decode_other(body: bytes) -> Revocation | RevocationsChanged | Ending | Unknown | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return _decode_revocation(body)
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return Revocation(_decode_revocation_before(body).revoked)
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        other = _decode_unknown(body)
        # By its kind, which msgspec does not ask for: an empty message would be one.
        if other.kind == REVOCATIONS_CHANGED:
            return _decode_revocations_changed(body)
        return _decode_ending(body) if other.kind == ENDING else other
    return None
