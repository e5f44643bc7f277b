"""A cursor: a place in the log, as a client brings it back. `<epoch>.<position>`.

Three words for three things, here and everywhere: a `Cursor` is the pair, a `position` is its integer (a place in the
log whose epoch is known), and a `last_event_id` is text that a client sent and that nobody has checked yet.
"""

import re
from typing import Final

import msgspec

MAX_CURSOR_CHARS: Final = 128
CURSOR: Final = re.compile(r"([A-Za-z0-9_-]{1,64})\.(0|[1-9][0-9]{0,62})")


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """A place in the log of one `epoch`: everything up to `position` has been seen."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.position}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor in `text`, or None when it is not one. Strict: it comes from the network."""
    if len(text) > MAX_CURSOR_CHARS:
        return None
    match = CURSOR.fullmatch(text)
    return Cursor(match[1], int(match[2])) if match else None
