"""What a client heard, as the checker wants it."""

from typing import Any

from notify_sse.core.cursor import parse_cursor
from tests.support.checker import Beat, Connected, ResetTold
from tests.support.contract import cursor_of


def control_sighting(event: str, document: dict[str, Any], *, brought: str) -> Connected | Beat | ResetTold:
    """The sighting of a control event; `brought` is the cursor with which the stream was opened."""
    if event == "connected":
        return Connected(brought, cursor_of(document["cursor"]))
    if event == "reset":
        return ResetTold(document["reason"], parse_cursor(document["from"] or ""), cursor_of(document["to"]))
    return Beat(cursor_of(document["cursor"]))
