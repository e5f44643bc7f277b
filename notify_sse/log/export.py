"""Everything that is stored of one recipient, as JSON lines: for the person who asks for their data."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw

from notify_sse.core.cursor import Cursor
from notify_sse.core.erasure import Erasure, StoredRow
from notify_sse.core.model import GONE, OWN
from notify_sse.core.parse import rfc3339
from notify_sse.core.read_state import Marks, ReadState

PAGE: Final = 500
_encode = msgspec.json.Encoder().encode


async def export(erasure: Erasure, read_state: ReadState, recipient_id: str) -> AsyncIterator[bytes]:
    """The lines, each with its line end. The first says whose they are, and what they have read; the others come in the
    order of the log. Raises `StoreUnavailable`.
    """
    [unread] = await read_state.unread([recipient_id])
    head = {"kind": "recipient", "recipient_id": recipient_id}
    yield _line(head | {"unread": unread.count, "read_upto": str(unread.read_upto)})
    after = 0
    while True:
        stored = await erasure.stored(recipient_id, after=after, limit=PAGE)
        if not stored.rows:
            return
        marks = await read_state.marks(recipient_id, [row.id for row in stored.rows])
        for row in stored.rows:
            yield _line(_document(stored.epoch, row, marks))
        after = stored.rows[-1].id


def _document(epoch: str, row: StoredRow, marks: Marks) -> dict[str, Any]:
    moment = datetime.fromtimestamp(row.stored_ms / 1000, UTC)
    place = {"cursor": str(Cursor(epoch, row.id)), "stored_at": rfc3339(moment)}
    if row.type == GONE or not row.body:
        return {"kind": "tombstone", **place, "notification_id": row.notification_id}
    if row.type.startswith(OWN):
        return {"kind": "event", **place, "event": row.type.removeprefix(OWN), "data": Raw(row.body)}
    return {"kind": "notification", **place, "read": marks.read(row.id), "notification": Raw(row.body)}


def _line(document: dict[str, Any]) -> bytes:
    line: bytes = _encode(document)
    return line + b"\n"
