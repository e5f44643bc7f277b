"""The JSON answers: what each holds, and how it is sent. The OpenAPI document describes these same structs.

A field that is not always there is `UNSET` then, and left out.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from starlette.responses import Response

from notify_sse.core.control import ResetReason
from notify_sse.core.cursor import CURSOR, MAX_CURSOR_CHARS
from notify_sse.web.http.pieces import PIECE_BYTES, InPieces

SCHEMA_PATH: Final = "#/components/schemas/"
HISTORY_ITEM: Final = "HistoryItem"

CursorText = Annotated[str, Meta(pattern=f"^{CURSOR.pattern}$", max_length=MAX_CURSOR_CHARS)]
Item = Annotated[Raw, Meta(extra_json_schema={"$ref": SCHEMA_PATH + HISTORY_ITEM})]
"""A stored notification as bytes of JSON: it is sent as it lies in the log, never decoded."""


class PublishOutcome(msgspec.Struct, frozen=True):
    """What became of one notification of a publish. `cursor` is its place in the log; one that the database refused has
    none.
    """

    notification_id: str
    outcome: Literal["new", "duplicate", "conflict", "refused"]
    cursor: CursorText | UnsetType = UNSET


class Reset(msgspec.Struct, frozen=True):
    """What lay between `from` (null: it was no cursor) and `to` may be lost. `history` is where to read it again."""

    reason: ResetReason
    from_: str | None = msgspec.field(name="from")
    to: CursorText
    history: str


class HistoryEvent(msgspec.Struct, frozen=True):
    """An event of the stream that is no notification, with its data as the stream has it."""

    event: str
    cursor: CursorText
    data: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]


class HistoryPage(msgspec.Struct, frozen=True):
    """Stored notifications of `recipient_id`. A stream that starts at `cursor` goes on without a gap.

    `before` is where to read on, when that is not the last item: newest first, of some types, a page may end early.
    `events`, oldest first, is what a stream would have sent between them: that something was read, or recalled. Left
    out when there is none, and where the page reads back.
    """

    recipient_id: str
    items: tuple[Item, ...]
    cursor: CursorText
    more: bool
    reset: Reset | None
    before: CursorText | UnsetType = UNSET
    events: tuple[HistoryEvent, ...] | UnsetType = UNSET


class Unread(msgspec.Struct, frozen=True):
    """How many notifications are unread. `read_upto`: all up to there are read, but for single ones marked since."""

    unread: int
    read_upto: CursorText


class Marked(msgspec.Struct, frozen=True):
    """The read state after a mark. `cursor` is the place of the event that tells of it; null: nothing changed."""

    unread: int
    read_upto: CursorText
    cursor: CursorText | None


class Recalled(msgspec.Struct, frozen=True):
    """A notification is recalled. `cursor` is the place of the event that tells of it; null: it was recalled before."""

    notification_id: str
    cursor: CursorText | None


class Session(msgspec.Struct, frozen=True):
    """Whose session began, and when its cookie ends."""

    recipient_id: str
    expires_in_s: int


class TransportAdvice(msgspec.Struct, frozen=True):
    """What a client is to do: open a stream, or poll the history every `poll_after_s` seconds."""

    transport: Literal["stream", "poll"]
    poll_after_s: float


class Ticket(msgspec.Struct, frozen=True):
    """A ticket for `?ticket=…`: good once, for so many seconds."""

    ticket: str
    expires_in_s: int


class Health(msgspec.Struct, frozen=True):
    """The process runs."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process should get traffic. `cursor`: where its tail stands, when it serves streams.

    `degraded`: what is away now; with `?strict=1` that is a `reason` not to be ready.
    """

    status: Literal["ready", "not ready"]
    cursor: CursorText | UnsetType = UNSET
    reason: Literal["draining", "starting", "keys", "store", "broker"] | UnsetType = UNSET
    degraded: tuple[Literal["store", "broker"], ...] = ()


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal (RFC 9457).

    `code` is stable. `field` and `reason` say what is wrong with a notification or a request, `items` what became of
    each notification of a publish, `notification_ids` those of which the outcome is unknown, `limit` which limit it is.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    limit: str | UnsetType = UNSET
    items: tuple[PublishOutcome, ...] | UnsetType = UNSET
    notification_ids: tuple[str, ...] | UnsetType = UNSET


def answer(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`document` as JSON. Never cached: every answer is for one recipient. A large one is sent in pieces."""
    body = msgspec.json.encode(document)
    kind = InPieces if len(body) > PIECE_BYTES else Response
    return kind(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
