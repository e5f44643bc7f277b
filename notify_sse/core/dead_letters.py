"""Dead letters by name: a handle for each, and which of them somebody means. Pure."""

import hashlib
from collections.abc import Collection

from notify_sse.core.ports import Chosen, DeadLetter


def handle_of(letter: DeadLetter) -> str:
    """A name for a message that stays the same wherever in the queue it is. Equal messages share it."""
    parts = (letter.died_at, letter.routing_key, letter.message_id or "")
    return hashlib.sha256("\0".join(parts).encode() + letter.body).hexdigest()[:8]


def chosen_by(handles: Collection[str] = (), reason: str | None = None) -> Chosen | None:
    """Those with one of `handles` (none given: any) and refused for `reason` (None: any). None: all of them."""
    if not handles and reason is None:
        return None
    return lambda letter: (not handles or handle_of(letter) in handles) and reason in (None, letter.reason)
